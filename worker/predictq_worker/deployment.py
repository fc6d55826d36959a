"""One release in memory: its batcher, its replicas, and its way from loading to serving to gone."""

import threading
import time
from collections.abc import Sequence
from enum import Enum

from predictq_worker.batcher import Batcher
from predictq_worker.replica import Replica
from predictq_worker.work import Work

__all__ = ["Deployment", "State"]


class State(Enum):
    """Where a deployment stands."""

    LOADING = "loading"
    SERVING = "serving"
    FAILED = "failed"
    DRAINING = "draining"


class Deployment:
    """A release that this worker loads or has loaded. Requests may be queued from the first moment."""

    def __init__(self, model: str, version: int, batcher: Batcher, *, alone: bool = False) -> None:
        """`alone`: in processes of its own, though others share theirs."""
        self.model = model
        self.version = version
        self.alone = alone
        self.batcher = batcher
        self.state = State.LOADING
        self.last_used = time.monotonic()
        self.size = 0
        """Bytes that it takes, as they were measured last; while it loads: as many as are expected."""
        self.measured = 0.0
        self.decided = threading.Event()
        """Set once it serves or has failed."""
        self._replicas: Sequence[Replica] = ()
        self._kept = 0

    @property
    def key(self) -> tuple[str, int]:
        """Model and version."""
        return self.model, self.version

    def put(self, works: list[Work]) -> bool:
        """Queue work for it; False if it takes none any more."""
        self.last_used = time.monotonic()
        return self.batcher.put(works)

    def put_last(self, works: list[Work]) -> bool:
        """Queue copies, which are run when there is nothing else; False if it takes none any more."""
        return self.batcher.put_last(works)

    def give_way(self) -> None:
        """Let its runners use only such time of the processors as nobody else wants."""
        for replica in self._replicas:
            replica.give_way()

    def serve(self, replicas: Sequence[Replica], kept: int = 0) -> None:
        """Start the replicas; from now on batches run. `kept`: bytes of its files, from which they are started anew."""
        self._replicas = replicas
        self._kept = kept
        for replica in replicas:
            replica.start()
        self.state = State.SERVING
        self.decided.set()

    def fail(self) -> list[Work]:
        """It did not load; returns the work that waited for it."""
        self.state = State.FAILED
        self.decided.set()
        return self.batcher.clear()

    def drain(self) -> None:
        """Take no more; what is queued is still answered, then the memory goes back."""
        self.state = State.DRAINING
        self.batcher.close()

    def join(self, timeout: float) -> None:
        """Wait for the last batch, at most so long."""
        deadline = time.monotonic() + timeout
        for replica in self._replicas:
            replica.join(max(deadline - time.monotonic(), 0.0))

    def kill(self) -> None:
        """End its runners now."""
        for replica in self._replicas:
            replica.kill()

    @property
    def idle(self) -> bool:
        """Whether it has nothing to do."""
        return self.batcher.waits_until is None and not any(replica.busy for replica in self._replicas)

    @property
    def alive(self) -> bool:
        """Whether any replica can answer."""
        return any(replica.alive for replica in self._replicas)

    def measure(self) -> int:
        """Find out `size`: what its runners hold, and its files; takes some milliseconds a runner."""
        self.measured = time.monotonic()
        self.size = self._kept + sum(replica.memory() for replica in self._replicas)
        return self.size
