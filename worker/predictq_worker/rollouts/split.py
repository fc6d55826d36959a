"""One rollout as this worker takes part in it: which requests are the challenger's."""

import math
import threading
import time

from predictq_registry import CHALLENGER, CHAMPION, Rollout, point
from predictq_worker.cold_routes import Target
from predictq_worker.deployment import Deployment, State
from predictq_worker.work import Work

__all__ = ["Split"]


class Split:
    """Sends the share of the challenger its way. Everything may be called from any thread.

    Attributes:
        target: What requests ask for.
        champion: The version that the alias names.
        rollout: How far it is.
        since: When it was first seen like that, on the monotonic clock.
        challenger: The release in memory, or on its way there.
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
        self._worker = worker
        self._room = room
        self._salt = f"{target.model}/{rollout.began}"
        self._lock = threading.Lock()
        self._outstanding = 0

    def update(self, rollout: Rollout) -> None:
        """The document says so now."""
        if rollout != self.rollout:
            self.rollout, self.since = rollout, time.monotonic()

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
