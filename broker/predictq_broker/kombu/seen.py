"""Which results were handed out before: what comes again is dropped."""

from typing import Final

__all__ = ["AT_LEAST", "Seen"]

AT_LEAST: Final = 50_000
"""So many ids are remembered, and up to twice as many."""


class Seen:
    """The ids seen last, in two halves, of which the older is forgotten as a whole."""

    def __init__(self) -> None:
        self._newer: set[str] = set()
        self._older: set[str] = set()

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)

    def new(self, name: str) -> bool:
        """Whether this id was not seen before, as far as is remembered; it is from now on."""
        if name in self._newer or name in self._older:
            return False
        self._newer.add(name)
        if len(self._newer) == AT_LEAST:
            self._newer, self._older = set(), self._newer
        return True
