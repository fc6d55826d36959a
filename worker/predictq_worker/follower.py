"""Follows the registry: which models there are, and where their aliases point."""

import logging
import threading
import time
from collections.abc import Sequence

from predictq_broker import Broker, BrokerError
from predictq_registry import RegistryError
from predictq_worker.bounded_registry import BoundedRegistry
from predictq_worker.catalog import Catalog

__all__ = ["Follower"]

_logger = logging.getLogger(__name__)


class Follower:
    """A thread that looks at the registry every `interval` seconds, and keeps the list of queues to read."""

    def __init__(
        self, registry: BoundedRegistry, broker: Broker, catalog: Catalog, models: Sequence[str], interval: float
    ) -> None:
        self._registry = registry
        self._broker = broker
        self._catalog = catalog
        self._fixed = tuple(models)
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self._models: Sequence[str] = self._fixed
        self._releases: Sequence[str] = self._fixed
        self._trouble = "" if self._fixed else "the models are not listed yet"

    def start(self) -> None:
        """Preload what was named, and begin to follow."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still follows."""
        return self._thread.is_alive()

    def models(self) -> Sequence[str]:
        """The models whose queues are to be read: those named, or else all there are."""
        halted = self._catalog.halted
        return [model for model in self._models if model not in halted] if halted else self._models

    def releases(self) -> Sequence[str]:
        """Those of them that the registry knows."""
        return self._releases

    def complaints(self) -> list[str]:
        """Why what is served may be out of date; empty if it is not."""
        return [self._trouble] if self._trouble else []

    def stop(self, timeout: float) -> None:
        """Follow no more; a look that hangs is waited for so many seconds."""
        self._stop.set()
        self._catalog.changed.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                self._models = self._look()
                self._catalog.preload(model for model in self._fixed if self._catalog.ailing([model]))
                self._catalog.follow()
            except Exception:  # whatever a store throws must not end the following
                _logger.exception("cannot follow the registry; what serves goes on")
            # a store that is slow, or that many models are asked of, is not asked all the time
            self._catalog.changed.wait(max(self._interval, time.monotonic() - began))
            self._catalog.changed.clear()

    def _look(self) -> Sequence[str]:
        """Models of the registry, and queues where requests wait for a model that may not exist."""
        if self._fixed:
            return self._fixed
        try:
            self._releases = self._registry.listed()
            asked = self._broker.models()
            self._trouble = ""
        except (RegistryError, BrokerError, OSError) as error:
            _logger.warning("cannot list the models", extra={"why": str(error)})
            self._trouble = f"the models cannot be listed: {error}"
            asked = self._models
        return sorted({*self._releases, *asked})
