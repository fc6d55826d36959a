"""Keeps our leases alive and takes over from the dead."""

import logging
import threading

from predictq_broker import BrokerError, Consumer
from predictq_worker.metrics import Metrics

__all__ = ["Keeper"]

_logger = logging.getLogger(__name__)


class Keeper:
    """A thread of its own, so that nothing a model does can cost a lease."""

    def __init__(self, consumer: Consumer, lease: float, metrics: Metrics) -> None:
        self._consumer = consumer
        self._interval = lease / 5
        self._metrics = metrics
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self.trouble = ""
        """Why the lease cannot be renewed; empty if it can."""

    def start(self) -> None:
        """Begin to keep."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still keeps."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Let the lease be; returns when the last renewal is over."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            try:
                self._keep()
                self.trouble = ""
            except BrokerError as error:
                self.trouble = f"the lease cannot be renewed: {error}"
                _logger.warning("cannot renew the lease", extra={"why": str(error)})

    def _keep(self) -> None:
        if lost := self._consumer.renew():
            self._metrics.leases_lost(lost)
            _logger.warning("the lease ran out; others have our requests", extra={"lost": lost})
        if reclaimed := self._consumer.reclaim():
            _logger.warning("took over from a dead worker", extra={"requests": reclaimed})
