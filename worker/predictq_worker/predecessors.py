"""What each ref named before: kept in memory while there is room, so that going back needs no loading."""

from collections.abc import Set as AbstractSet
from typing import Final

from predictq_worker.cold_routes import Target

__all__ = ["Predecessors"]


class Predecessors:
    """One release for each ref at most, that to which a rollback would go."""

    def __init__(self, *, keep: bool) -> None:
        """`keep`: whether any is kept."""
        self._keep: Final = keep
        self._before: dict[Target, int] = {}

    def moved(self, target: Target, old: int, new: int) -> None:
        """A ref names `new` instead of `old`, or of nothing that is to be kept (0). One that went back to an older
        version left what nobody wanted.
        """
        self._before.pop(target, None)
        if self._keep and 0 < old < new:
            self._before[target] = old

    @property
    def releases(self) -> AbstractSet[tuple[str, int]]:
        """Model and version of each."""
        return {(target.model, version) for target, version in self._before.items()}
