"""Who is alive: the heartbeats of the consumers of a queue, watched on our own monotonic clock."""

import time
from collections.abc import Mapping
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


class Stand(NamedTuple):
    """A heartbeat, and for how many seconds we have seen it stand still."""

    beat: str
    seconds: float


class Watch:
    """Which heartbeats stand still, and for how long, on our own monotonic clock."""

    def __init__(self, lease: float) -> None:
        """`lease`: our own, in seconds. We are to look several times in that time."""
        self._most = lease / 2
        self._stands: dict[str, dict[str, Stand]] = {}
        self._looked: dict[str, float] = {}

    def still(self, queue: Queue, beats: Mapping[str, str]) -> list[tuple[str, str]]:
        """The consumers of `queue`, with their heartbeat, that have not moved for the length of their lease.

        A look that comes late counts for half a lease at most: if we slept, or the server was away, so may they
        have been, or could not tell us.
        """
        now = time.monotonic()
        passed = min(now - self._looked.get(queue.leases, now), self._most)
        self._looked[queue.leases] = now
        before = self._stands.get(queue.leases, {})
        stands = {consumer: _stand(before.get(consumer), beat, passed) for consumer, beat in beats.items()}
        self._stands[queue.leases] = stands
        return [(consumer, beat) for consumer, (beat, seconds) in stands.items() if seconds >= lease_of(consumer)]


def _stand(before: Stand | None, beat: str, passed: float) -> Stand:
    return Stand(beat, before.seconds + passed if before is not None and before.beat == beat else 0.0)


def lease_of(consumer: str) -> float:
    """The length of a consumer's lease in seconds, which its name ends with: `api-1.5f0c.10000`."""
    milliseconds = consumer.rpartition(".")[2]
    return int(milliseconds) / 1e3 if milliseconds.isdigit() else 10.0
