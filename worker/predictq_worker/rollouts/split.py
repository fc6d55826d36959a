"""One rollout as this worker takes part in it: which requests are the challenger's."""

import logging
import math
import threading
import time
from collections.abc import Callable

from predictq_broker import Outcome
from predictq_registry import CHALLENGER, CHAMPION, Report, Rollout, point
from predictq_worker.cold_routes import Target
from predictq_worker.deployment import Deployment, State
from predictq_worker.rollouts.shadow import Shadow
from predictq_worker.rollouts.tally import Tally
from predictq_worker.work import SHADOW, Work

__all__ = ["Split"]

_logger = logging.getLogger(__name__)


class Split:
    """Sends the share of the challenger its way. Everything may be called from any thread.

    Attributes:
        target: What requests ask for.
        champion: The version that the alias names.
        rollout: How far it is.
        since: When it was first seen like that, on the monotonic clock.
        challenger: The release in memory, or on its way there.
        tally: What was seen of it here.
        shadow: The copies that the challenger gets, and how it answers them.
        trouble: Why the challenger does not load here; empty if it may.
    """

    def __init__(self, target: Target, champion: int, rollout: Rollout, worker: str, room: int) -> None:
        """`room`: how many requests of the model this worker holds at most."""
        self.target = target
        self.champion = champion
        self.rollout = rollout
        self.since = time.monotonic()
        self.challenger: Deployment | None = None
        self.trouble = ""
        self.tally = Tally(worker)
        self.shadow = Shadow()
        self._told = ""
        self._worker = worker
        self._room = room
        self._salt = f"{target.model}/{rollout.began}"
        self._lock = threading.Lock()
        self._outstanding = 0

    def update(self, rollout: Rollout) -> None:
        """The document says so now."""
        if rollout != self.rollout:
            self.rollout, self.since = rollout, time.monotonic()

    def complain(self, why: str) -> None:
        """Say once why this worker cannot say what it has to say to the rollout."""
        if why != self._told:
            self._told = why
            _logger.warning("cannot carry on with the rollout", extra={"model": self.target.model, "why": why})

    @property
    def waited(self) -> float:
        """Seconds since it has been so far."""
        return time.monotonic() - self.since

    @property
    def serving(self) -> bool:
        """Whether the challenger can answer."""
        return self.challenger is not None and self.challenger.state is State.SERVING

    def divert(self, works: list[Work]) -> list[Work]:
        """Queue the challenger's share with it; returns the rest, which is the champion's."""
        challenger, share = self.challenger, self.rollout.share_of(self._worker)
        if challenger is None or not self.serving or not share:
            return _champions(works)
        chosen = [work for work in works if self._falls_to_challenger(work, share)]
        chosen = chosen[: self._admit(len(chosen), share)]
        if not chosen or not challenger.put([work._replace(route=CHALLENGER) for work in chosen]):
            self.left(len(chosen))
            return _champions(works)
        diverted = {id(work) for work in chosen}
        return _champions([work for work in works if id(work) not in diverted])

    def _falls_to_challenger(self, work: Work, share: float) -> bool:
        """What a runner or a worker died of, or the challenger has failed at, is not tried on it."""
        if work.route or work.alone:
            return False
        request = work.delivery.request
        return share >= 1.0 or point(self._salt, request.key or request.id) < share

    def _admit(self, count: int, share: float) -> int:
        """How many more may wait for it: a canary that does not keep up must leave the champion its room."""
        with self._lock:
            if self.rollout.strategy == "canary":
                count = max(0, min(count, math.ceil(max(0.5, share) * self._room) - self._outstanding))
            self._outstanding += count
            return count

    def count(self, arm: str, outcomes: list[Outcome]) -> None:
        """These came out of one batch of that arm."""
        if arm == SHADOW:
            self.shadow.take(outcomes)
            return
        if arm == CHALLENGER:
            self.left(len(outcomes))
        self.tally.count(arm, outcomes)
        if arm == CHAMPION and (mirror := self.rollout.mirror) and self.serving:
            salt = f"{self._salt}/copies"
            chosen = [outcome for outcome in outcomes if point(salt, outcome.result.id) < mirror]
            self.shadow.copy(chosen, self.challenger)

    def report(self) -> Report:
        """What was seen here, from the beginning."""
        return self.tally.report().model_copy(update={"comparison": self.shadow.comparison()})

    def weigh(self, memory_of: Callable[[str, int], int]) -> None:
        """See how much memory both hold now, and that a shadow is in nobody's way."""
        model = self.target.model
        self.tally.holds(CHAMPION, memory_of(model, self.champion))
        self.tally.holds(CHALLENGER, memory_of(model, self.rollout.version))
        if self.rollout.strategy == "shadow" and self.challenger is not None:
            self.challenger.give_way()

    def left(self, count: int) -> None:
        """So many of the challenger's requests have an outcome."""
        with self._lock:
            self._outstanding -= count

    def withdraw(self) -> list[Work]:
        """Take back what waits for the challenger; it is the champion's now."""
        works = self.challenger.batcher.withdraw(CHALLENGER) if self.challenger is not None else []
        self.left(len(works))
        return _champions([work._replace(route="") for work in works])


def _champions(works: list[Work]) -> list[Work]:
    return [work if work.route else work._replace(route=CHAMPION) for work in works]
