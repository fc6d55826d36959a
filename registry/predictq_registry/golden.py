"""Golden rows: a few rows of the sample with what the model answered when it was published."""

import json
from collections.abc import Iterator
from typing import Any, Final

from predictq_registry.errors import InvalidRelease
from predictq_registry.inputs.learn import Learnt
from predictq_registry.inputs.samples import spread
from predictq_registry.manifest import METHODS, Golden
from predictq_registry.trial import try_method

__all__ = ["record", "working_methods"]

_MOST_ROWS: Final = 8
_MOST_BYTES: Final = 1 << 20


def working_methods(estimator: object, learnt: Learnt) -> tuple[str, ...]:
    """The methods that the estimator has and that answer the sample; `predict` is always among them."""
    present = [method for method in METHODS if callable(getattr(estimator, method, None))]
    return tuple(method for method in present if method == "predict" or _works(estimator, method, learnt))


def _works(estimator: object, method: str, learnt: Learnt) -> bool:
    if not learnt.rows:
        return True
    try:
        try_method(estimator, method, learnt.signature, spread(learnt.rows, _MOST_ROWS))
    except InvalidRelease:
        return False
    return True


def record(estimator: object, methods: tuple[str, ...], learnt: Learnt) -> Golden | None:
    """Up to 8 rows and their outputs; fewer if they are very wide, None if there is no sample."""
    for rows in _fewer_and_fewer(learnt.rows):
        outputs = {method: tuple(try_method(estimator, method, learnt.signature, rows)) for method in methods}
        if len(json.dumps([rows, outputs])) <= _MOST_BYTES:
            return Golden(rows=tuple(rows), outputs=outputs)
    return None


def _fewer_and_fewer(rows: list[Any]) -> Iterator[list[Any]]:
    count = min(len(rows), _MOST_ROWS)
    while count:
        yield spread(rows, count)
        count //= 2
