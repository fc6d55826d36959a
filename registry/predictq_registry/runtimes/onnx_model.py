"""An ONNX graph as something one can call as one calls an estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from predictq_registry.inputs.arrays import Array

__all__ = ["OnnxClassifier", "OnnxModel"]

_TYPES: Final[dict[str, Any]] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


class OnnxModel:
    """A graph whose first output is the prediction; a column of one is one value a row.

    Attributes:
        n_features_in_: How many columns its one input takes; None if it takes any number, or has several inputs.
        feature_names_in_: The names of its inputs, if it has several, each of which is one column.
    """

    def __init__(self, session: Any) -> None:  # noqa: ANN401  onnxruntime's types say little
        self._session = session
        self._inputs: list[Any] = session.get_inputs()
        self._outputs: list[str] = [output.name for output in session.get_outputs()]
        shape = self._inputs[0].shape
        alone = len(self._inputs) == 1
        fixed = alone and len(shape) == 2 and isinstance(shape[1], int) and self._inputs[0].type != "tensor(string)"
        self.n_features_in_: int | None = shape[1] if fixed else None
        self.feature_names_in_ = None if alone else [given.name for given in self._inputs]

    def predict(self, rows: object) -> object:
        """The first output, or the one that is not the probabilities."""
        return self._run(self._answer(), rows)

    def _answer(self) -> str:
        return self._outputs[0]

    def _run(self, output: str, rows: object) -> object:
        (found,) = self._session.run([output], self._feed(rows))
        if isinstance(found, np.ndarray) and found.ndim == 2 and found.shape[1] == 1:
            return found[:, 0]
        return found

    def _feed(self, rows: Any) -> dict[str, Array]:  # noqa: ANN401  whatever a signature assembles
        if len(self._inputs) == 1:
            return {self._inputs[0].name: _as_input(rows, self._inputs[0])}
        return {given.name: _as_input(_column(rows, place, given.name), given) for place, given in self._named()}

    def _named(self) -> Sequence[tuple[int, Any]]:
        return list(enumerate(self._inputs))


class OnnxClassifier(OnnxModel):
    """A graph that also tells the probability of each class."""

    @staticmethod
    def fits(outputs: Sequence[str]) -> bool:
        """Whether a graph with these outputs is one."""
        return len(outputs) > 1 and any(map(_is_probability, outputs))

    def predict_proba(self, rows: object) -> object:
        """The output named after probabilities."""
        return self._run(next(filter(_is_probability, self._outputs)), rows)

    def _answer(self) -> str:
        return next(name for name in self._outputs if not _is_probability(name))


def _is_probability(name: str) -> bool:
    return "prob" in name.lower()


def _column(rows: Any, place: int, name: str) -> object:  # noqa: ANN401  as _feed
    if isinstance(rows, pd.DataFrame):
        return rows[name] if name in rows.columns else rows.iloc[:, place]
    return np.asarray(rows)[:, place]


def _as_input(rows: Any, given: Any) -> Array:  # noqa: ANN401  as _feed, and onnxruntime's description of an input
    """`rows` in the type and the number of dimensions that the input takes."""
    dtype = _TYPES[given.type]
    values: Array = rows.to_numpy(dtype=dtype) if hasattr(rows, "to_numpy") else np.asarray(rows, dtype=dtype)
    if values.ndim == 1 and len(given.shape) == 2:
        values = values.reshape(-1, 1)
    return np.ascontiguousarray(values)
