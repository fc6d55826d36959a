"""Which columns may lack a value: found by leaving it out and seeing whether the model still predicts."""

from collections.abc import Sequence
from typing import Any, Final

from predictq_registry.errors import InvalidRelease
from predictq_registry.inputs.signature import Signature
from predictq_registry.trial import try_method

__all__ = ["with_nullable"]

_MOST_ROWS: Final = 200


def with_nullable(signature: Signature, estimator: object, row: Sequence[Any]) -> Signature:
    """`signature` with its nullable flags set as `estimator` shows on `row` with values left out.

    A flag that the sample itself has set stays.
    """
    if signature.kind == "matrix":
        lenient = signature.model_copy(update={"nullable": True})
        survives = _survives(lenient, estimator, row, range(len(row)))
        return signature.model_copy(update={"nullable": survives or signature.nullable})
    if signature.kind != "table":
        return signature
    lenient = _flagged(signature, set(range(len(row))))
    shown = {place for place, column in enumerate(signature.columns) if column.nullable}
    return _flagged(signature, shown.union(_nullable(lenient, estimator, row, range(len(row)))))


def _nullable(lenient: Signature, estimator: object, row: Sequence[Any], places: Sequence[int]) -> list[int]:
    """Those of the columns without which the model predicts; by halves, for most models take all or none."""
    if _survives(lenient, estimator, row, places):
        return list(places)
    if len(places) == 1:
        return []
    middle = len(places) // 2
    return [
        *_nullable(lenient, estimator, row, places[:middle]),
        *_nullable(lenient, estimator, row, places[middle:]),
    ]


def _survives(lenient: Signature, estimator: object, row: Sequence[Any], places: Sequence[int]) -> bool:
    count = min(len(places), _MOST_ROWS)
    rows = [list(row) for _ in range(count)]
    for turn, place in enumerate(places):
        rows[turn % count][place] = None
    try:
        try_method(estimator, "predict", lenient, rows)
    except InvalidRelease:
        return False
    return True


def _flagged(signature: Signature, nullable: set[int]) -> Signature:
    columns = tuple(
        column.model_copy(update={"nullable": place in nullable}) for place, column in enumerate(signature.columns)
    )
    return signature.model_copy(update={"columns": columns})
