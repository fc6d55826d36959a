"""From the Python values inside a model's outputs to what JSON can say, without saying anything false."""

import math
from typing import Any, Final

import numpy as np

from predictq_worker.inference.errors import BadOutput
from predictq_worker.inference.outputs import plain_array

__all__ = ["INFINITE", "plain_value"]

INFINITE: Final = "the outputs hold an infinity, which JSON cannot carry: ask with NumPy (application/x-npy)"

_AS_THEY_ARE: Final = frozenset({int, str, bool, type(None)})
_MISSING: Final = frozenset({"NAType", "NaTType"})
_MAX_DEPTH: Final = 32


def plain_value(value: Any, depth: int = 0) -> Any:  # noqa: ANN401  a model returns anything
    """`value` in terms of null, bool, int, float, text, list and dict; NaN stays, to become null.

    Raises:
        BadOutput: if it holds an infinity, something JSON has no word for, or itself.
    """
    if type(value) in _AS_THEY_ARE:
        return value
    if depth > _MAX_DEPTH:
        raise BadOutput(f"the model's outputs are nested deeper than {_MAX_DEPTH} levels")
    match value:
        case list() | tuple():
            return [plain_value(item, depth + 1) for item in value]
        case dict():
            return {_key(key): plain_value(item, depth + 1) for key, item in value.items()}
        case np.ndarray() if value.ndim:
            inside = plain_array(value)
            return plain_value(inside if isinstance(inside, list) else inside.tolist(), depth + 1)
        case np.generic() | np.ndarray():
            return plain_value(_item(value), depth + 1)
        case _:
            return _plain_scalar(value)


def _item(value: Any) -> object:  # noqa: ANN401  one of NumPy's scalars
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value)
    return value.item()


def _plain_scalar(value: object) -> object:
    """The value of a subclass of float, text or int, without what the subclass adds."""
    match value:
        case float():
            return _finite(value)
        case str():
            return str.__str__(value)
        case int():
            return int.__int__(value)
        case _ if type(value).__name__ in _MISSING:
            return None
        case _:
            raise BadOutput(f"the model's outputs hold a {type(value).__name__}, which JSON cannot carry")


def _finite(value: float) -> float:
    if math.isinf(value):
        raise BadOutput(INFINITE)
    return float.__float__(value)


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise BadOutput(f"the model's outputs hold a dict with a key of type {type(key).__name__}: JSON needs text")
    return str.__str__(key)
