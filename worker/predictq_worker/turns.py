"""Whose queues are read next, so that whoever holds a model is faster than who would have to load it."""

import time
from collections.abc import Callable, Collection, Iterable
from typing import Final, NamedTuple

__all__ = ["Turn", "Turns"]

_PATIENT: Final = 1.0
_AT_ONCE: Final = 50
_PAUSE: Final = 0.05
_SHARE: Final = 9.0
"""So many times as long as the last look at cold queues took, nothing cold is looked at."""


class Turn(NamedTuple):
    """What one read is to ask for.

    Attributes:
        models: Whose queues.
        patience: Seconds it may sleep there.
    """

    models: list[str]
    patience: float


class Turns:
    """Queues of models that are held here are read all the time; the others are looked at now and then, a few at once.

    A request for what another worker holds is taken by that worker within a millisecond, unless it is full. Who does
    not hold the model finds it when it has waited for a look: 50 ms, and 50 more for every 50 models that are cold.
    """

    def __init__(
        self,
        models: Callable[[], Iterable[str]],
        held: Callable[[], Collection[str]],
        crowded: Callable[[], bool],
        *,
        preferring: bool = True,
    ) -> None:
        """`crowded`: whether so much is to be loaded that others should have what is cold.

        `preferring`: False for a broker that sends ahead, to whom a queue that is not read now would be no longer ours.
        """
        self._models: Final = models
        self._held: Final = held
        self._crowded: Final = crowded
        self._preferring: Final = preferring
        self._last = ""
        self._looking = 0.0
        self._next_look = 0.0

    def next(self) -> Turn:
        """What to read now."""
        models = list(self._models())
        if not self._preferring:
            return Turn(models, _PATIENT)
        held = self._held()
        hot = [model for model in models if model in held]
        if len(hot) == len(models):
            return Turn(hot, _PATIENT)
        now = time.monotonic()
        if self._looking:  # the look that ends now decides when the next one may be
            self._next_look = now + max(_PAUSE, _SHARE * (now - self._looking))
            self._looking = 0.0
        if now < self._next_look or self._crowded():
            return Turn(hot, max(self._next_look - now, _PAUSE / 2))
        self._looking = now
        return Turn(self._some([model for model in models if model not in held]), 0.0)

    def _some(self, cold: list[str]) -> list[str]:
        """The next few after those of the last look, in a circle."""
        start = next((place for place, model in enumerate(cold) if model > self._last), 0)
        few = [*cold[start:], *cold[:start]][:_AT_ONCE]
        self._last = few[-1]
        return few
