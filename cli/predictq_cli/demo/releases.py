"""The demo's two releases: a weak classifier of iris flowers, and a better one."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Flowers", "Trained", "flowers", "train_better", "train_weak"]


class Flowers(NamedTuple):
    """150 flowers: what was measured, and what they are."""

    frame: Any
    rows: list[list[float]]
    species: list[str]


class Trained(NamedTuple):
    """A fitted classifier, what it predicts for each of the flowers, and the share it is right on."""

    estimator: Any
    predicts: list[str]
    accuracy: float


def flowers() -> Flowers:
    """The iris data that scikit-learn brings; nothing is downloaded."""
    from sklearn.datasets import load_iris

    data: Any = load_iris(as_frame=True)
    species = [str(data.target_names[kind]) for kind in data.target]
    return Flowers(data.data, data.data.to_numpy().tolist(), species)


def train_weak(data: Flowers) -> Trained:
    """Looks at the sepals only, though it takes all four columns."""
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    sepals = ColumnTransformer([("sepals", "passthrough", list(data.frame.columns[:2]))])
    return _trained(make_pipeline(sepals, LogisticRegression(max_iter=1000)), data)


def train_better(data: Flowers) -> Trained:
    """Looks at all four columns, on one scale."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return _trained(make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)), data)


def _trained(estimator: Any, data: Flowers) -> Trained:  # noqa: ANN401  scikit-learn ships no types
    estimator.fit(data.frame, data.species)
    predicts = [str(name) for name in estimator.predict(data.frame)]
    right = sum(found == species for found, species in zip(predicts, data.species, strict=True))
    return Trained(estimator, predicts, right / len(predicts))
