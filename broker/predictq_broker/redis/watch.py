"""Who is alive: the heartbeats of the consumers of a queue, watched on our own monotonic clock."""

import time
from typing import NamedTuple

__all__ = ["Queue", "Watch"]


class Queue(NamedTuple):
    """What one lease covers: streams that are read in this order, and the hash of heartbeats."""

    streams: tuple[str, ...]
    leases: str

    @property
    def keys(self) -> list[str]:
        """As the scripts want them."""
        return [*self.streams, self.leases]


class Watch:
    """Which heartbeats stand still, and for how long, on our own monotonic clock."""

    def __init__(self, lease: float) -> None:
        """`lease`: our own, in seconds. We are to look several times in that time."""
        self._lease = lease
        self._seen: dict[tuple[str, str], tuple[str, float]] = {}
        self._looked: dict[str, float] = {}

    def still(self, queue: Queue, beats: dict[str, str]) -> list[tuple[str, str]]:
        """The consumers of `queue`, with their heartbeat, that have not moved for the length of their lease."""
        now = time.monotonic()
        if now - self._looked.get(queue.leases, now) > self._lease / 2:
            self._begin_anew(queue)  # we slept, or the server was away: so may they, or could not tell us
        self._looked[queue.leases] = now
        for consumer, beat in beats.items():
            known = self._seen.get((queue.leases, consumer))
            if known is None or known[0] != beat:
                self._seen[queue.leases, consumer] = (beat, now)
        for leases, consumer in list(self._seen):
            if leases == queue.leases and consumer not in beats:
                del self._seen[leases, consumer]
        return [
            (consumer, beat)
            for consumer, beat in beats.items()
            if now - self._seen[queue.leases, consumer][1] >= lease_of(consumer)
        ]

    def _begin_anew(self, queue: Queue) -> None:
        for leases, consumer in list(self._seen):
            if leases == queue.leases:
                del self._seen[leases, consumer]


def lease_of(consumer: str) -> float:
    """The length of a consumer's lease in seconds, which its name ends with: `api-1.5f0c.10000`."""
    milliseconds = consumer.rpartition(".")[2]
    return int(milliseconds) / 1e3 if milliseconds.isdigit() else 10.0
