"""Implements `Link` for the transports that kombu makes out of something that is not AMQP."""

import logging
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any, Final

from kombu.connection import Connection
from kombu.exceptions import ChannelError, OperationalError
from kombu.transport.virtual import Channel

from predictq_broker.errors import BrokerError, BrokerUnavailable
from predictq_broker.kombu.link import Count, Fate, Letter, Message
from predictq_broker.kombu.queues import Queue
from predictq_broker.kombu.windows import Windows

__all__ = ["VirtualLink"]

_logger = logging.getLogger(__name__)
_POLL: Final = 0.01
"""Seconds between two looks at queues that are empty."""


class VirtualLink:
    """One channel of kombu's. It says nothing of what it stored, so all that raised no error counts as stored.

    Messages are asked for one by one; what is not acknowledged is given back when it is closed.
    """

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        self._lock = threading.RLock()
        self._bell = threading.Event()
        self._windows = Windows()
        self._open: list[str] = []
        self._made: set[str] = set()
        self._tags: dict[int, str] = {}  # ours -> kombu's
        self._numbers = count(1)
        self._dead: BrokerError | None = None
        connect: Any = Connection  # kombu has types, but not for all
        self._connection = connect(url, transport_options=options)
        with self._doing("connect"):
            self._connection.connect()
            self._channel: Any = self._connection.channel()
            self._channel.Message = _without_inflating(self._channel.Message)

    def declare(self, queue: Queue) -> None:
        """As `Link.declare`; arguments mean nothing here."""
        self._make(queue.name)

    def _make(self, name: str) -> None:
        with self._doing(f"declare {name}"):
            if name not in self._made:
                self._channel.queue_declare(name, durable=True, auto_delete=False)
                self._made.add(name)

    def count(self, name: str) -> Count | None:
        """As `Link.count`; consumers are not known."""
        with self._doing(f"look at {name}"):
            try:
                found = self._channel.queue_declare(name, passive=True)
            except ChannelError:
                return None
            return Count(found.message_count, 0)

    def delete(self, name: str) -> None:
        """As `Link.delete`."""
        with self._doing(f"remove {name}"):
            self._channel.queue_delete(name)
            self._channel._delete(name, "", name, "")  # noqa: SLF001  queue_delete does so only if it is bound
            self._made.discard(name)

    def publish(self, letters: Sequence[Letter]) -> list[Fate]:
        """As `Link.publish`; a queue that is not there is made."""
        for queue, headers, body, name in letters:
            self._make(queue)
            texts = {key: value.decode() if isinstance(value, bytes) else value for key, value in headers.items()}
            with self._doing("publish"):
                properties = {"delivery_mode": 2, "correlation_id": name}
                message = self._channel.prepare_message(body, headers=texts, properties=properties)
                self._channel.basic_publish(message, exchange="", routing_key=queue)
        return [Fate.STORED] * len(letters)

    def open(self, name: str, window: int) -> None:
        """As `Link.open`."""
        with self._lock:
            self._windows.open(name, window)
            if name not in self._open:
                self._open.append(name)

    def shut(self, name: str) -> None:
        """As `Link.shut`."""
        with self._lock:
            self._windows.shut(name)
            if name in self._open:
                self._open.remove(name)

    def room(self, name: str) -> int | None:
        """As `Link.room`."""
        with self._lock:
            return self._windows.room(name)

    def gather(self, wait: float) -> list[Message]:
        """As `Link.gather`."""
        deadline = time.monotonic() + wait
        while True:
            found = self._look()
            left = deadline - time.monotonic()
            if found or left <= 0 or self._bell.wait(min(left, _POLL)):
                self._bell.clear()
                return found

    def _look(self) -> list[Message]:
        found: list[Message] = []
        with self._doing("receive"):
            for name in self._open:
                while (self._windows.room(name) or 0) > 0 and (message := self._get(name)) is not None:
                    found.append(message)
        return found

    def _get(self, name: str) -> Message | None:
        try:
            message = self._channel.basic_get(name)
        except (ValueError, KeyError, TypeError) as error:  # kombu did not write it, and it is taken
            _logger.warning("a message that cannot be read was dropped", extra={"queue": name, "why": repr(error)})
            return None
        if message is None:
            return None
        tag = next(self._numbers)
        self._tags[tag] = message.delivery_tag
        self._windows.deliver(name, tag)
        body = message.body if isinstance(message.body, bytes) else str(message.body or "").encode()
        return Message(name, tag, message.headers, message.properties, body)

    def check(self) -> None:
        """As `Link.check`."""
        with self._doing("look"):
            return

    def flush(self) -> None:
        """As `Link.flush`: nothing comes by itself."""

    def ack(self, tags: Sequence[int]) -> None:
        """As `Link.ack`, one by one."""
        with self._doing("acknowledge"):
            self._windows.ack(tags)
            for tag in tags:
                if (theirs := self._tags.pop(tag, None)) is not None:
                    self._channel.basic_ack(theirs)

    def beat(self) -> None:
        """As `Link.check`: there are no heartbeats."""
        self.check()

    def wake(self) -> None:
        """As `Link.wake`."""
        self._bell.set()

    def close(self) -> None:
        """As `Link.close`."""
        with self._lock:
            if self._dead is not None:
                return
            with suppress(Exception):
                for theirs in self._in_order():
                    self._channel.basic_reject(theirs, requeue=True)
            self._die(BrokerUnavailable("the connection was closed"))

    def _in_order(self) -> list[str]:
        """What is not acknowledged, so that it lies in order again when one after another was given back."""
        tags = list(self._tags.values())
        puts_back = "_restore_at_beginning"  # a transport that cannot do that has it from the class of all, to the end
        to_the_end = getattr(type(self._channel), puts_back) is getattr(Channel, puts_back)
        return tags if to_the_end else tags[::-1]

    def _die(self, error: BrokerError) -> None:
        self._dead = error
        with suppress(Exception):
            self._connection.release()
        self.wake()

    @contextmanager
    def _doing(self, what: str) -> Generator[None]:
        """Hold the lock; whatever goes wrong is the end of this link."""
        with self._lock:
            if self._dead is not None:
                raise BrokerUnavailable(f"{what}: {self._dead}")
            errors = (*self._connection.connection_errors, *self._connection.channel_errors, OperationalError, OSError)
            try:
                yield
            except errors as error:
                failure = BrokerUnavailable(f"{what}: {error}")
                self._die(failure)
                raise failure from error


def _without_inflating(kind: Any) -> Any:
    """Like kombu's message, which inflates a compressed body, whatever its size, before any check; but not that."""

    class Raw(kind):  # type: ignore[misc]  # kombu has no types
        def __init__(self, payload: dict[str, Any], *args: Any, **options: Any) -> None:
            headers = {name: value for name, value in (payload.get("headers") or {}).items() if name != "compression"}
            super().__init__({**payload, "headers": headers}, *args, **options)

    return Raw
