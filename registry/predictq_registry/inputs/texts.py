"""Rows that are texts."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from predictq_registry.errors import InputError
from predictq_registry.inputs.arrays import is_array
from predictq_registry.inputs.columns import Checked, Value
from predictq_registry.inputs.values import described

__all__ = ["TextRows"]

_TEXT: Final = {str}


class TextRows:
    """Checks and assembles texts, one a row; the model input is a list of str."""

    def check(self, rows: object) -> Checked:
        """See `Signature.check`. Besides a list, an array of texts or a single column of them is taken."""
        texts = _texts(rows)
        if set(map(type, texts)) != _TEXT:
            _complain(texts)
        return Checked(texts, len(texts), "texts")

    def assemble(self, checked: Sequence[Checked]) -> list[str]:
        """See `Signature.assemble`."""
        pieces: list[Any] = [piece.data for piece in checked]
        return list(chain.from_iterable(pieces))


def _texts(rows: Value) -> list[Any]:
    if type(rows) is list:
        return rows
    if isinstance(rows, dict) and len(rows) == 1:
        return _texts(next(iter(rows.values())))
    if is_array(rows):
        if rows.ndim != 1 or rows.dtype.kind not in "UO":
            raise InputError(f"the array holds {rows.dtype} in {rows.ndim} dimensions; expected texts in 1")
        return list(rows.tolist())
    raise InputError(f"the rows are {described(rows)}; expected a list of texts")


def _complain(texts: list[Any]) -> None:
    if not texts:
        raise InputError("there are no rows")
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"row {place} is {described(text)}; expected a text", row=place)
