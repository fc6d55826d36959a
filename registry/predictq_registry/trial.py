"""Trying a model on rows before it is published, by the way every request will take."""

import warnings
from collections.abc import Sequence
from typing import Any

from predictq_registry.errors import InputError, InvalidRelease
from predictq_registry.inputs.signature import Signature
from predictq_registry.outputs import call, jsonable, per_row

__all__ = ["try_method"]


def try_method(estimator: object, method: str, signature: Signature, rows: Sequence[Any]) -> list[Any]:
    """What `method` answers for `rows`, as JSON values.

    Raises:
        InvalidRelease: if the rows do not fit, the model fails, or it does not give one output a row.
    """
    try:
        checked = signature.check(list(rows))
    except InputError as error:
        raise InvalidRelease(f"the sample does not fit its own signature: {error}") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a trial's warnings are nobody's news
            outputs = jsonable(per_row(call(estimator, method, signature.assemble([checked]))))
    except Exception as error:  # a model may raise whatever it likes
        raise InvalidRelease(f"{method} fails on the sample: {type(error).__name__}: {error}") from error
    if len(outputs) != checked.count:
        hint = "; a text model needs a list of texts as its sample" if signature.kind == "table" else ""
        raise InvalidRelease(f"{method} gives {len(outputs)} outputs for {checked.count} rows{hint}")
    return outputs
