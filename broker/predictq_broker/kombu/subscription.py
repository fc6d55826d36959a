"""A subscriber's side of a durable result queue."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from predictq_broker.errors import BrokerError, BrokerUnavailable
from predictq_broker.kombu.catching_up import catch_up
from predictq_broker.kombu.fields import as_fields, as_headers, attempt_of, read_answer
from predictq_broker.kombu.link import Letter, Link, Message
from predictq_broker.kombu.queues import Queues
from predictq_broker.messages import ResultDelivery

__all__ = ["KombuSubscription"]

_SLEEP = 1.0


@dataclass(frozen=True, eq=False, slots=True)
class _Held:
    link: Link
    message: Message


class KombuSubscription:
    """Implements `predictq_broker.Subscription`. Its lease is its connection, as a consumer's are its two.

    What is not acknowledged goes back by `close` to the end of the queue, with the same `attempt`.
    """

    def __init__(self, connect: Callable[[float], Link], queues: Queues, name: str, lease: float) -> None:
        self._connect = connect
        self._queue = queues.results(name)
        self._lease = lease
        self._receiving = threading.Lock()
        self._link: Link | None = None
        self._waiting: list[Message] = []
        self._held: dict[int, Message] = {}
        self._lost = 0
        self._closed = False

    def receive(self, capacity: int, wait: float) -> Sequence[ResultDelivery]:
        """As `Subscription.receive`."""
        deadline = time.monotonic() + wait
        with self._receiving:
            link = self._connected()
            try:
                messages = self._read(link, capacity, deadline)
            except BrokerUnavailable:
                self._drop(link)
                raise
            self._held.update((message.tag, message) for message in messages)
            return [ResultDelivery(read_answer(m), _Held(link, m), attempt_of(m)) for m in messages]

    def _connected(self) -> Link:
        if self._link is not None:
            try:
                self._link.check()
            except BrokerError:
                self._drop(self._link)
        if self._link is None:
            if self._closed:
                raise BrokerUnavailable("receive: this subscription is closed")
            self._link = self._connect(self._lease)
        return self._link

    def _drop(self, link: Link) -> None:
        if self._link is link:
            self._link = None
            self._waiting = []
            self._lost += len(self._held)
            self._held = {}
        link.close()

    def _read(self, link: Link, capacity: int, deadline: float) -> list[Message]:
        changed = self._open(link, capacity)
        self._waiting += link.gather(0)
        if changed or time.monotonic() >= deadline:
            catch_up(link, lambda: self._short(capacity), self._waiting.extend, lambda _: None)
        while not self._waiting and not self._closed and (left := deadline - time.monotonic()) > 0:
            self._waiting += link.gather(min(left, _SLEEP))
            self._open(link, capacity)
        taken, self._waiting = self._waiting[:capacity], self._waiting[capacity:]
        return taken

    def _open(self, link: Link, capacity: int) -> bool:
        room = link.room(self._queue.name)
        window = min(capacity - len(self._waiting), 65_535)
        if window <= 0 or (room is not None and room > 0):
            return False
        if room is None:
            link.declare(self._queue)
        link.open(self._queue.name, window)
        return True

    def _short(self, capacity: int) -> tuple[str, ...]:
        return (self._queue.name,) if len(self._waiting) < capacity else ()

    def ack(self, deliveries: Sequence[ResultDelivery]) -> int:
        """As `Subscription.ack`."""
        link = self._link
        if link is None or not deliveries:
            return 0
        try:
            link.check()
            ours = [delivery for delivery in deliveries if self.holds(delivery)]
            acked = [m.tag for d in ours if (m := self._held.pop(_held(d).message.tag, None)) is not None]
            link.ack(acked)
        except BrokerUnavailable:
            self._drop(link)
            return 0
        return len(acked)

    def holds(self, delivery: ResultDelivery) -> bool:
        """As `Subscription.holds`."""
        held = _held(delivery)
        return held.link is self._link and held.message.tag in self._held

    def renew(self) -> int:
        """As `Subscription.renew`."""
        link = self._link
        if link is not None:
            try:
                link.beat()
            except BrokerError:
                self._drop(link)
        lost, self._lost = self._lost, 0
        return lost

    def reclaim(self) -> int:
        """Nothing is left to do: the server itself gives back what a broken connection held."""
        return 0

    def close(self) -> None:
        """As `Subscription.close`."""
        self._closed = True
        if self._link is not None:
            self._link.wake()
        with self._receiving:
            link = self._link
            if link is None:
                return
            with suppress(BrokerError):
                link.shut(self._queue.name)
                unread = [*self._held.values(), *self._waiting, *link.gather(0)]
                if unread:
                    link.publish([self._back(message) for message in unread])
                    link.ack([message.tag for message in unread])
                    link.flush()
            self._held, self._waiting = {}, []
            self._drop(link)

    def _back(self, message: Message) -> Letter:
        fields = as_fields(message)
        headers = as_headers({name: value for name, value in fields.items() if not name.startswith(b"x-")})
        headers["attempt"] = str(attempt_of(message) - 1)
        return Letter(self._queue.name, headers, message.body, "")


def _held(delivery: ResultDelivery) -> _Held:
    if not isinstance(delivery.tag, _Held):
        raise TypeError("this result came from another broker")
    return delivery.tag
