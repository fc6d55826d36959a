"""Which releases stay in memory: as many as fit, by what they are measured to hold."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Final

from predictq_worker.deployment import Deployment, State
from predictq_worker.metrics import Metrics

__all__ = ["Residency"]

_logger = logging.getLogger(__name__)

_PATIENCE: Final = 1.0
"""Seconds to wait for a release with nothing to do; then the one used least recently goes, once it has answered."""
_LOOK: Final = 0.01
_UNTIL_GONE: Final = 60.0
_AT_A_LOOK: Final = 5
"""Measuring one takes the kernel milliseconds, so `look` takes turns."""


class Residency:
    """Keeps releases within a budget of memory: what was used least recently and is idle goes for what is asked for.

    What a release holds is what its runners share with nobody, and its files, which the worker keeps so that a runner
    that dies is replaced though the registry is away. So all of it comes back when it goes.
    """

    def __init__(  # noqa: PLR0913  all that it needs to know of what it does not own, by name
        self,
        budget: int,
        *,
        deployments: Callable[[], Sequence[Deployment]],
        forget: Callable[[Deployment], bool],
        spare: Callable[[Deployment], bool],
        fixed: Collection[str],
        metrics: Metrics,
    ) -> None:
        """`budget` in bytes; 0: any. `fixed`: models that never go. `forget`: let no more work come; False if gone.
        `spare`: whether it is there only in case somebody goes back to it.
        """
        self._budget: Final = budget
        self._deployments: Final = deployments
        self._forget: Final = forget
        self._spare: Final = spare
        self._fixed: Final = frozenset(fixed)
        self._metrics: Final = metrics
        self._making_room: Final = threading.Lock()
        self._sizes: dict[str, int] = {}

    def expect(self, deployment: Deployment) -> None:
        """Make room for one that is about to load: as much as it took the last time, else as much as the others do."""
        deployment.size = self._sizes.get(deployment.model) or self._usual()
        self._make_room(deployment.model)

    def loaded(self, deployment: Deployment) -> None:
        """Measure one that has loaded, and make room if it is larger than was expected."""
        self._sizes[deployment.model] = deployment.measure()
        if self._budget and deployment.size > self._budget:
            about = {"model": deployment.model, "version": deployment.version, "memory": deployment.size}
            _logger.warning("larger than all that releases may hold", extra={**about, "budget": self._budget})
        self._make_room(deployment.model)

    def look(self) -> None:
        """Measure a few of those that worked since they were measured, and make room if they have grown."""
        worked = [d for d in self._deployments() if d.state is State.SERVING and d.last_used > d.measured]
        for deployment in sorted(worked, key=lambda deployment: deployment.measured)[:_AT_A_LOOK]:
            self._sizes[deployment.model] = deployment.measure()
        self._make_room("")

    def resident(self) -> dict[str, int]:
        """The models in memory, with the bytes that their runners held when they were last measured."""
        sizes: dict[str, int] = {}
        for deployment in self._deployments():
            if deployment.state is State.SERVING:
                sizes[deployment.model] = sizes.get(deployment.model, 0) + deployment.size
        return sizes

    def _usual(self) -> int:
        sizes = [deployment.size for deployment in self._deployments() if deployment.size]
        return sum(sizes) // len(sizes) if sizes else 0

    def _make_room(self, newcomer: str) -> None:
        with self._making_room:
            while self._budget and sum(deployment.size for deployment in self._deployments()) > self._budget:
                victim = self._victim(newcomer)
                if victim is None:
                    return
                victim.drain()
                victim.join(_UNTIL_GONE)
                self._metrics.evicted(victim.model)
                about = {"model": victim.model, "version": victim.version, "memory": victim.size}
                _logger.info("evicted", extra=about)

    def _victim(self, newcomer: str) -> Deployment | None:
        """Who goes, and gets no more work: first what is kept in case somebody goes back to it. Not what serves until
        the newcomer of the same model does, and not the only one there is: nobody else wants its room.
        """
        end = time.monotonic() + _PATIENCE
        while True:
            unwanted = {*self._fixed, newcomer}
            there = self._deployments()
            serving = [d for d in there if d.state is State.SERVING]
            others = [d for d in serving if self._spare(d)] or [d for d in serving if d.model not in unwanted]
            if not others or len(there) == 1:
                return None
            idle = [deployment for deployment in others if deployment.idle]
            if idle or time.monotonic() > end:
                victim = min(idle or others, key=lambda deployment: deployment.last_used)
                if self._forget(victim):
                    return victim
            time.sleep(_LOOK)
