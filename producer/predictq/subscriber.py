"""Reads a durable result queue: each result at least once, however many subscribers come and go."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Self

from predictq.asking import checked_queue
from predictq.backoff import Backoff
from predictq.errors import Refused
from predictq.keeper import Keeper
from predictq.result_message import ResultMessage
from predictq.settings import broker_url
from predictq_broker import Broker, BrokerError, BrokerRefused, ResultDelivery, connect

__all__ = ["Subscriber"]

_NAP = 0.5


class Subscriber:
    """Iterate over it for results, and `ack` each when it is dealt with.

    Several subscribers of one queue share its results. What is not acknowledged comes again: at once after
    `close`, within about one lease after the subscriber died. The iteration belongs to one thread; it ends when
    `close` is called, from another thread or a signal handler. A broker that goes away is waited for.

    Args:
        url: The broker, as for `Client`.
        queue: The name given to `send` as `reply_to`.
        prefetch: Results fetched at once.
        lease: Seconds after which a subscriber that shows no sign of life is taken for dead.
        broker: A broker to use instead of a URL; it stays open when the subscriber closes.
    """

    def __init__(
        self,
        url: str | None = None,
        queue: str = "",
        *,
        prefetch: int = 100,
        lease: float = 10.0,
        broker: Broker | None = None,
    ) -> None:
        self._queue = checked_queue(queue)
        self._owns_broker = broker is None
        self._broker = broker or connect(broker_url(url))
        self._subscription = self._broker.subscription(queue, lease)
        self._keeper = Keeper(self._subscription, lease, self._lost)
        self._prefetch = prefetch
        self._fetched: deque[ResultDelivery] = deque()
        self._closing = threading.Event()
        self._finishing = threading.Lock()
        self._reader: int | None = None
        self._left = threading.Event()
        self._backoff = Backoff()

    def __iter__(self) -> Iterator[ResultMessage]:
        return self.take(timeout=None)

    def take(self, timeout: float | None) -> Iterator[ResultMessage]:
        """Results until none has come for `timeout` seconds; None: until `close`."""
        while (delivery := self._next(timeout)) is not None:
            yield ResultMessage(delivery, self._keeper.ack)

    def until(self, id: str, timeout: float) -> ResultMessage | None:  # noqa: A002  the word callers know it by
        """The result of one request; None if it does not come within `timeout` seconds.

        Results of others that come meanwhile are kept for the next iteration.
        """
        deadline = time.monotonic() + timeout
        passed: list[ResultDelivery] = []
        try:
            while (delivery := self._next(max(deadline - time.monotonic(), 0.0))) is not None:
                if delivery.result.id == id:
                    return ResultMessage(delivery, self._keeper.ack)
                passed.append(delivery)
        finally:
            self._fetched.extendleft(reversed(passed))
        return None

    def _next(self, timeout: float | None) -> ResultDelivery | None:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._closing.is_set():
            if self._fetched:
                return self._fetched.popleft()
            left = _NAP if deadline is None else min(deadline - time.monotonic(), _NAP)
            self._fetch(max(left, 0.0))
            if left <= 0 and not self._fetched:
                break
        return None

    def _fetch(self, wait: float) -> None:
        self._reader = threading.get_ident()
        try:
            self._fetched.extend(self._subscription.receive(self._prefetch, wait))
            self._backoff.reset()
        except BrokerRefused as error:
            raise Refused(f"the broker refused to give results of {self._queue!r}: {error}") from error
        except BrokerError:
            self._closing.wait(min(self._backoff.next(), wait))
        finally:
            self._reader = None

    def _lost(self) -> None:
        """Others have some of what we fetched: do not hand that out as well. What came since is ours."""
        for delivery in list(self._fetched):
            if not self._subscription.holds(delivery):
                with contextlib.suppress(ValueError):  # it was handed out this moment: its acknowledgement will fail
                    self._fetched.remove(delivery)

    def close(self) -> None:
        """Acknowledge what was, give back the rest, and end the iteration. May be called twice."""
        self._closing.set()
        if self._reader == threading.get_ident():
            return  # a signal handler in the midst of reading: the iteration ends, and `with` closes us
        while self._reader is not None:
            time.sleep(0.005)
        self._finish()

    def _finish(self) -> None:
        if not self._finishing.acquire(blocking=False):
            return
        self._keeper.close()
        with contextlib.suppress(BrokerError):  # then its lease runs out by itself
            self._subscription.close()
        if self._owns_broker:
            self._broker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
