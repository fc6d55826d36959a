"""The names of a table's columns, and the sentence about names that do not fit them."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from predictq_registry.errors import InputError
from predictq_registry.names import shown

__all__ = ["Headings"]

_LISTED: Final = 12


class Headings:
    """Column names in order."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._known = frozenset(names)

    def __str__(self) -> str:
        listed = ", ".join(self.names[:_LISTED])
        return f"{listed}, … ({len(self.names)} columns)" if len(self.names) > _LISTED else listed

    def fit(self, record: Mapping[Any, object]) -> bool:
        """Whether `record` has exactly these names."""
        return frozenset(record) == self._known

    def complaint(self, record: Mapping[Any, object], place: str, row: int | None) -> InputError:
        """What is wrong with the names in `record`; an unknown name first, for it explains a missing one."""
        unknown = [name for name in record if name not in self._known]
        missing = [name for name in self.names if name not in record]
        if unknown:
            name = str(unknown[0])
            hint = self._hint(name, missing)
            sentence = f"{place} has an unknown column {shown(name)}{hint}"
            return InputError(sentence, row=row, column=name)
        name = missing[0] if missing else ""
        return InputError(f"{place} has no column {shown(name)}; expected: {self}", row=row, column=name)

    def _hint(self, name: str, missing: Sequence[str]) -> str:
        close = get_close_matches(name[:100], missing or self.names, n=1)
        return f": did you mean {close[0]!r}?" if close else f"; expected: {self}"
