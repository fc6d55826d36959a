"""A release that must never be in memory beside the one it replaces: stop taking, drain, swap, go on."""

import logging
import threading
from typing import Final, Protocol

from predictq_registry import RegistryError, Rollout
from predictq_worker.bounded_registry import BoundedRegistry
from predictq_worker.cold_routes import Target
from predictq_worker.work import Work

__all__ = ["Memory", "Recreations"]

_logger = logging.getLogger(__name__)


class Memory(Protocol):
    """What this needs of the catalog."""

    def unload(self, model: str) -> None:
        """Answer what is queued for any release of `model`, then give their memory back; returns when that is done."""
        ...

    def serve(self, target: Target, version: int) -> str:
        """Load that version and let `target` lead to it; returns why that cannot be, if it cannot."""
        ...

    def route(self, works: list[Work]) -> None:
        """Queue each with the release it asks for."""
        ...


class Recreations:
    """Which models stand still meanwhile. Their requests wait in the broker; what was read already waits here."""

    def __init__(self, registry: BoundedRegistry, worker: str) -> None:
        """`worker`: what this one is called in the routing documents."""
        self._registry: Final = registry
        self._worker: Final = worker
        self._lock: Final = threading.Lock()
        self._parked: dict[str, list[Work]] = {}

    @property
    def held(self) -> frozenset[str]:
        """The models not to be read from."""
        return frozenset(self._parked)

    def park(self, model: str, works: list[Work]) -> bool:
        """Let these wait here; False if the model does not stand still."""
        if model not in self._parked:
            return False
        with self._lock:
            if (parked := self._parked.get(model)) is None:
                return False
            parked += works
            return True

    def clear(self) -> list[Work]:
        """Hand back what waits."""
        with self._lock:
            works = [work for parked in self._parked.values() for work in parked]
            self._parked = {model: [] for model in self._parked}
            return works

    def begin(self, target: Target, rollout: Rollout, memory: Memory) -> None:
        """Begin, unless this is under way."""
        with self._lock:
            if target.model in self._parked:
                return
            self._parked[target.model] = []
        arguments = (target, rollout, memory)
        threading.Thread(target=self._run, args=arguments, name=f"recreate-{target.model}", daemon=True).start()

    def _run(self, target: Target, rollout: Rollout, memory: Memory) -> None:
        try:
            memory.unload(target.model)
            if why := memory.serve(target, rollout.version):
                self._go_back(target, rollout, why)
                memory.serve(target, rollout.replaces)
        finally:
            with self._lock:
                works = self._parked.pop(target.model)
            if works:
                memory.route(works)

    def _go_back(self, target: Target, rollout: Rollout, why: str) -> None:
        note = f"version {rollout.version} does not serve on {self._worker}: {why}"
        try:
            self._registry.carry_on(*target, rollout, "stop", author=self._worker, note=note)
        except (RegistryError, OSError) as error:
            _logger.warning("cannot carry on with the rollout", extra={"model": target.model, "why": str(error)})
