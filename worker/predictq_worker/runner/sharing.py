"""Processes that small releases share: thousands of them fit where each would need one of its own."""

import threading
from typing import Final

from predictq_registry import Package
from predictq_worker.inference import Limits
from predictq_worker.runner.errors import RunnerDied, RunnerGone
from predictq_worker.runner.host import Host
from predictq_worker.runner.messages import Load
from predictq_worker.runner.nursery_handle import Nursery
from predictq_worker.runner.runner_handle import Runner

__all__ = ["Sharing"]

_LOADS_WITHIN: Final = 5.0
"""Seconds; a release that takes longer to load may do so where nobody waits for it."""


class Sharing:
    """Starts runners: in a shared process what is small, in one of its own what is not, or was no good neighbour.

    A process that dies takes all with it that it holds; they are loaded anew. Those whose batches ran are asked one by
    one then, and the one of which it dies again has a process of its own from then on, as has one that dies while it is
    loaded, or keeps the others waiting for long. Implements `Neighbours`. Thread-safe.
    """

    def __init__(self, nursery: Nursery, limits: Limits, *, largest: int, load_timeout: float) -> None:
        """Releases whose files have up to `largest` bytes share; 0: none does."""
        self._nursery: Final = nursery
        self._limits: Final = limits
        self._largest: Final = largest
        self._load_timeout: Final = load_timeout
        self._lock: Final = threading.Lock()
        self._hosts: Final[dict[int, Host]] = {}
        self._expelled: Final[set[str]] = set()
        self._suspects: Final[set[str]] = set()

    def start(self, package: Package, place: int = 0, *, alone: bool = False) -> Runner:
        """A runner of that release; raises as `Runner.start`.

        Args:
            package: The release.
            place: Which of its runners: those of one release never share a process.
            alone: Give it a process of its own, however small it is.
        """
        while not alone and self.may_share(package):
            host = self._host(place)
            try:
                return self._enter(host, package)
            except RunnerGone:  # it ended with the last release it held, or with a bad one
                continue
            except RunnerDied:  # perhaps only because of the neighbours; we shall see
                self.expel(package.manifest.digest)
        return Runner.start(self._nursery, package, self._limits, self._load_timeout)

    def may_share(self, package: Package) -> bool:
        """Whether that release is small, and was a good neighbour so far."""
        return package.size <= self._largest and package.manifest.digest not in self._expelled

    def _host(self, place: int) -> Host:
        with self._lock:
            host = self._hosts.get(place)
            if host is None or not host.alive:
                host = self._hosts[place] = Host(self._nursery)
            return host

    def _enter(self, host: Host, package: Package) -> Runner:
        load = Load(package, self._limits, self._nursery.trust, shared=True)
        timeout = min(self._load_timeout, _LOADS_WITHIN)
        return Runner(host, load, timeout, self)

    def expel(self, release: str) -> None:
        """As `Neighbours.expel`."""
        self._expelled.add(release)
        self._suspects.discard(release)

    def may_have_killed(self, release: str) -> None:
        """As `Neighbours.may_have_killed`."""
        self._suspects.add(release)

    def did_not(self, release: str) -> None:
        """As `Neighbours.did_not`."""
        self._suspects.discard(release)

    def suspect(self, release: str) -> bool:
        """As `Neighbours.suspect`."""
        return release in self._suspects
