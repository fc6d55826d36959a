"""Which of many queues are looked at one by one, while one read sees what is new in all of them."""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Final

__all__ = ["Rounds"]

_FEW: Final = 16
_PAUSE: Final = 0.02


class Rounds:
    """A look at one queue costs a round trip, and sees what a read of all does not: what was given back there.

    Up to sixteen queues are looked at each time. Of more, those that must be, and every 20 ms the next sixteen.
    """

    def __init__(self) -> None:
        self._last = ""
        self._next = 0.0
        self._must: set[str] = set()

    def must(self, models: Collection[str]) -> None:
        """Look at these next time."""
        self._must.update(models)

    def are_few(self, models: Collection[str]) -> bool:
        """Whether each of these can be looked at."""
        return len(models) <= _FEW

    def choose(self, models: Mapping[str, object], known: Callable[[str], bool]) -> list[str]:
        """Those of `models` to look at now; what is not `known` was never looked at, and must be."""
        chosen = [model for model in models if model in self._must or not known(model)]
        self._must.difference_update(chosen)
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _PAUSE
            chosen += self._some([model for model in models if model not in chosen])
        return chosen

    def _some(self, models: list[str]) -> list[str]:
        """The next few after those of the last time, in a circle."""
        start = next((place for place, model in enumerate(models) if model > self._last), 0)
        few = [*models[start:], *models[:start]][:_FEW]
        self._last = few[-1] if few else ""
        return few
