"""What a subscription needs done while its owner works on results: acknowledge, and keep the lease alive."""

import logging
import threading
import time
from collections.abc import Callable

from predictq.backoff import Backoff
from predictq_broker import BrokerError, ResultDelivery, Subscription

__all__ = ["Keeper"]

_log = logging.getLogger(__name__)


class Keeper:
    """A thread that sends acknowledgements as they come, many in one call, and renews the lease in time."""

    def __init__(self, subscription: Subscription, lease: float, lost: Callable[[], None]) -> None:
        self._subscription = subscription
        self._every = lease / 4
        self._lost = lost
        self._changed = threading.Condition(threading.Lock())
        self._acked: list[ResultDelivery] = []
        self._closed = False
        self._backoff = Backoff()
        self._not_before = 0.0
        self._renew_at = time.monotonic() + self._every
        self._thread = threading.Thread(target=self._run, name="predictq-subscriber", daemon=True)
        self._thread.start()

    def ack(self, delivery: ResultDelivery) -> None:
        """Acknowledge soon."""
        with self._changed:
            self._acked.append(delivery)
            self._changed.notify()

    def _run(self) -> None:
        while self._wait():
            self._flush()
            if time.monotonic() >= self._renew_at:
                self._renew()

    def _wait(self) -> bool:
        """Sleep until there is something to do; False when closed."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                flush_at = self._not_before if self._acked else self._renew_at
                due = min(flush_at, self._renew_at)
                if due <= now:
                    return True
                self._changed.wait(due - now)
        return False

    def _flush(self) -> None:
        with self._changed:
            if time.monotonic() < self._not_before:
                return
            acked, self._acked = self._acked, []
        if not acked:
            return
        try:
            self._subscription.ack(acked)
            self._backoff.reset()
        except BrokerError as error:
            _log.warning("%d results could not be acknowledged, trying again: %s", len(acked), error)
            with self._changed:
                self._acked[:0] = acked
                self._not_before = time.monotonic() + self._backoff.next()

    def _renew(self) -> None:
        self._renew_at = time.monotonic() + self._every
        try:
            lost = self._subscription.renew()
            self._subscription.reclaim()
        except BrokerError as error:
            _log.warning("the subscriber's lease could not be renewed, trying again: %s", error)
            return
        if lost:
            _log.warning("%d results were given to other subscribers: the lease had run out", lost)
            self._lost()

    def close(self) -> None:
        """Send the last acknowledgements and end the thread."""
        with self._changed:
            self._closed = True
            self._not_before = 0.0
            self._changed.notify()
        self._thread.join(0.5)
        self._flush()
