"""Models for tests, with their right answers."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

__all__ = ["Iris", "iris"]


class Iris(NamedTuple):
    """The data, a good release and one that always answers otherwise."""

    rows: NDArray[np.float64]
    good: Pipeline
    other: Pipeline
    good_answers: list[int]
    other_answers: list[int]


def iris() -> Iris:
    """Two releases whose answers differ for every row, so that each answer tells which one gave it."""
    data: Any = load_iris()
    rows, labels = data.data, data.target
    good = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels)
    other = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels + 10)
    return Iris(rows, good, other, good.predict(rows).tolist(), other.predict(rows).tolist())
