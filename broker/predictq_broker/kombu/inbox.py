"""A client's private queue of results."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from predictq_broker.errors import BrokerError
from predictq_broker.kombu.catching_up import catch_up
from predictq_broker.kombu.fields import read_answer
from predictq_broker.kombu.link import Link, Message
from predictq_broker.kombu.queues import Queues
from predictq_broker.kombu.seen import Seen
from predictq_broker.messages import Result
from predictq_broker.names import new_inbox_name

__all__ = ["KombuInbox"]

_WINDOW: Final = 4096
"""Results that may be under way to us."""
_SLEEP: Final = 1.0


class KombuInbox:
    """Implements `predictq_broker.Inbox`. Read from the first `receive` on; while it is read it does not expire."""

    def __init__(self, connect: Callable[[], Link], queues: Queues) -> None:
        self._connect = connect
        self._name = new_inbox_name()
        self._queue = queues.results(self._name)
        self._receiving = threading.Lock()
        self._changed = threading.Condition()
        self._link: Link | None = None
        self._seen = Seen()
        self._expected = False
        self._closed = False

    @property
    def name(self) -> str:
        """As `Inbox.name`."""
        return self._name

    def expect(self, model: str) -> None:  # noqa: ARG002  results of all models come to one queue
        """As `Inbox.expect`."""
        with self._changed:
            self._expected = True
            self._connected()
            self._changed.notify_all()

    def _connected(self) -> Link | None:
        """The link, with the queue behind it; None if this inbox is closed, or expects nothing."""
        if self._link is None and self._expected and not self._closed:
            link = self._connect()
            link.declare(self._queue)
            self._link = link
        return self._link

    def receive(self, wait: float) -> Sequence[Result]:
        """As `Inbox.receive`."""
        deadline = time.monotonic() + wait
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._expected, max(wait, 0.0))
            link = self._connected()
        if self._closed or link is None:
            return []
        with self._receiving:
            try:
                return self._read(link, deadline)
            except BrokerError:
                if self._closed:
                    return []
                link.close()
                with self._changed:
                    self._link = None
                raise

    def _read(self, link: Link, deadline: float) -> list[Result]:
        while True:
            if link.room(self._queue.name) is None:
                link.declare(self._queue)
                link.open(self._queue.name, _WINDOW)
            left = deadline - time.monotonic()
            messages = link.gather(max(min(left, _SLEEP), 0.0)) or (self._rest(link) if left <= 0 else [])
            link.ack([message.tag for message in messages])
            results = [result for result in map(read_answer, messages) if self._seen.new(result.id)]
            if results or left <= 0 or self._closed:
                return [] if self._closed else results

    def _rest(self, link: Link) -> list[Message]:
        """What the server says is there."""
        found: list[Message] = []
        catch_up(link, lambda: () if found else (self._queue.name,), found.extend, lambda _: None)
        return found

    @property
    def repeats(self) -> bool:
        """As `Inbox.repeats`."""
        return False

    def repeat(self) -> None:
        """As `Inbox.repeat`: in vain, what was received is gone."""

    def close(self) -> None:
        """As `Inbox.close`."""
        with self._changed:
            self._closed = True
            link, self._link = self._link, None
            self._changed.notify_all()
        if link is None:
            return
        link.wake()
        with self._receiving, suppress(BrokerError):
            link.delete(self._queue.name)
        link.close()
