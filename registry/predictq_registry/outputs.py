"""Calling an estimator, and what it gives back: one output a row, in a form that can be sent and compared."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from predictq_registry.inputs.columns import Outputs, Value

__all__ = ["call", "jsonable", "per_row", "same"]


def call(estimator: object, method: str, model_input: object) -> Outputs:
    """Whatever `method` gives for `model_input`. The only place where a model is called."""
    return getattr(estimator, method)(model_input)


def per_row(outputs: Outputs) -> Outputs:
    """Outputs with the rows first: frames, series and sparse matrices as arrays, one array per target as one.

    A model with several targets gives a list of arrays, one per target, from `predict_proba`; taken as it is, its
    length could be mistaken for a number of rows. Any other list is one output a row already.
    """
    if hasattr(outputs, "toarray"):
        return outputs.toarray()
    if hasattr(outputs, "to_numpy"):
        return outputs.to_numpy()
    if (
        isinstance(outputs, list)
        and outputs
        and all(isinstance(part, np.ndarray) and part.ndim == 2 for part in outputs)
    ):
        return _transposed(outputs)
    return outputs


def _transposed(targets: list[Any]) -> Outputs:
    if len({len(target) for target in targets}) > 1:
        raise ValueError("the arrays, one a target, differ in their number of rows")
    if len({target.shape for target in targets}) == 1:
        return np.stack(targets, axis=1)
    return [[target[row].tolist() for target in targets] for row in range(targets[0].shape[0])]


def jsonable(outputs: Outputs) -> list[Any]:
    """Outputs as JSON values; NaN and the infinities become the texts `NaN`, `Infinity`, `-Infinity`.

    Raises:
        TypeError: if they are not a sequence of numbers, booleans, texts, None, and sequences of these.
    """
    values = outputs.tolist() if isinstance(outputs, np.ndarray) else outputs
    if not isinstance(values, (list, tuple)):
        raise TypeError(f"a {type(outputs).__name__} is not one output a row")
    return [_jsonable(value) for value in values]


def _jsonable(value: Value) -> Value:
    if isinstance(value, (np.ndarray, np.generic)):
        return _jsonable(value.tolist())
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else _non_finite(value)
        case list() | tuple():
            return [_jsonable(part) for part in value]
        case dict():
            return {str(name): _jsonable(part) for name, part in value.items()}
        case _:
            raise TypeError(f"a {type(value).__name__} cannot be sent")


def _non_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def same(expected: Value, got: Value, *, tolerance: float = 1e-6) -> bool:
    """Whether two JSON values agree: floats up to `tolerance`, as a share of them, everything else exactly."""
    if isinstance(expected, (list, tuple)) and isinstance(got, (list, tuple)):
        return _all_same(expected, got, tolerance)
    if isinstance(expected, dict) and isinstance(got, dict):
        pairs = ((value, got[name]) for name, value in expected.items() if name in got)
        return expected.keys() == got.keys() and all(same(*pair, tolerance=tolerance) for pair in pairs)
    if isinstance(expected, bool) or isinstance(got, bool):
        return expected is got
    if isinstance(expected, (int, float)) and isinstance(got, (int, float)):
        return expected == got or (_floating(expected, got) and _close(expected, got, tolerance))
    return bool(expected == got)


def _all_same(expected: Sequence[Any], got: Sequence[Any], tolerance: float) -> bool:
    pairs = zip(expected, got, strict=False)
    return len(expected) == len(got) and all(same(*pair, tolerance=tolerance) for pair in pairs)


def _close(expected: float, got: float, tolerance: float) -> bool:
    return math.isclose(expected, got, rel_tol=tolerance, abs_tol=tolerance / 1000)


def _floating(*values: float) -> bool:
    return any(isinstance(value, float) for value in values)
