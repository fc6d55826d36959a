"""Implements `Link` for RabbitMQ."""

import select
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from struct import unpack_from
from typing import Final

from amqp import exceptions as server

from predictq_broker.errors import BrokerError, BrokerFull, BrokerUnavailable
from predictq_broker.kombu.amqp.address import Address
from predictq_broker.kombu.amqp.bell import Bell
from predictq_broker.kombu.amqp.confirms import Confirms
from predictq_broker.kombu.amqp.connection import ANSWER, open_connection, translated
from predictq_broker.kombu.amqp.reading import frames_to, read_properties
from predictq_broker.kombu.amqp.writing import ack_frames, publish_frames
from predictq_broker.kombu.link import Count, Fate, Letter, Message
from predictq_broker.kombu.queues import Queue
from predictq_broker.kombu.windows import Windows

__all__ = ["AmqpLink"]

_MESSAGES, _ASKING = 1, 2
"""The channels. A question about a queue that is not there closes its channel: that one is for nothing else."""
_AT_ONCE: Final = 512
"""Letters written in one go; between two the server's confirms are read, or both sides might wait to write."""
_PATIENCE: Final = 3.0
"""Seconds to wait for confirms while the server has an alarm."""
_SLICE: Final = 0.1
"""Seconds after which a thread that waits for confirms looks whether they are overdue."""
_ALARM: Final = "publish: the server has a memory or disk alarm and takes nothing; free some, or wait"


class AmqpLink:
    """One connection to RabbitMQ. A thread that waits does so in `poll`, without the lock: others go on meanwhile."""

    def __init__(self, address: Address, heartbeat: int = 0, answer: float = ANSWER) -> None:
        """Connect.

        Args:
            address: Where to.
            heartbeat: Seconds, as negotiated with the server; 0 for none. Give it by `beat`, at least as often.
            answer: Seconds to wait for any answer.
        """
        self._patience = answer
        self._lock = threading.RLock()
        self._publishing = threading.Lock()
        self._place = address.place
        self._windows = Windows()
        self._tags: dict[bytes, str] = {}  # consumer tag -> queue
        self._current: dict[str, str] = {}  # queue -> consumer tag
        self._arrived: list[Message] = []
        self._confirms = Confirms()
        self._prefetch = 0  # what the server begins with: as many as there are
        self._blocked = False
        self._dead: BrokerError | None = None
        self._connection = open_connection(address, heartbeat, answer, frames_to(self))
        self._connection.on_blocked = self._block
        self._connection.on_unblocked = self._unblock
        self._socket = self._connection.sock.fileno()
        self._messages, self._fates = Bell(), Bell()
        with self._doing("open a channel"):
            self._channel = self._connection.channel(_MESSAGES)
            self._asking = self._connection.channel(_ASKING)
            self._channel.confirm_select()

    @property
    def product(self) -> str:
        """What the server calls itself, with its version."""
        properties = self._connection.server_properties
        return f"{properties['product']} {properties['version']}"

    # ── what the server says ──

    def delivered(self, arguments: bytes, properties: bytes, body: bytes) -> None:
        """As `Events.delivered`."""
        end = 5 + arguments[4]
        queue = self._tags[arguments[5:end]]
        (tag,) = unpack_from(">Q", arguments, end)
        self._windows.deliver(queue, tag)
        self._arrived.append(Message(queue, tag, *read_properties(properties), body))
        self._messages.came()

    def returned(self, arguments: bytes, properties: bytes) -> None:
        """As `Events.returned`."""
        start = 7 + arguments[6]  # after the code and its text
        start += 1 + arguments[start]  # after the exchange
        queue = arguments[start + 1 : start + 1 + arguments[start]].decode()
        self._confirms.returned(queue, read_properties(properties)[1].get("correlation_id", ""))

    def confirmed(self, tag: int, *, multiple: bool, stored: bool) -> None:
        """As `Events.confirmed`."""
        self._confirms.confirmed(tag, multiple=multiple, stored=stored)
        if not self._confirms.open:
            self._fates.came()

    def _block(self, _reason: str) -> None:
        self._blocked = True

    def _unblock(self) -> None:
        self._blocked = False

    # ── queues ──

    def declare(self, queue: Queue) -> None:
        """As `Link.declare`."""
        if self.count(queue.name) is not None:
            return
        with self._doing(f"declare {queue.name}"), suppress(server.PreconditionFailed):  # somebody was faster
            self._asking.queue_declare(queue.name, durable=True, auto_delete=False, arguments=dict(queue.arguments))

    def count(self, name: str) -> Count | None:
        """As `Link.count`."""
        with self._doing(f"look at {name}"):
            try:
                _, waiting, consumers = self._asking.queue_declare(name, passive=True)
            except server.NotFound:
                return None
        return Count(waiting, consumers)

    def delete(self, name: str) -> None:
        """As `Link.delete`."""
        with self._doing(f"remove {name}"):
            self._asking.queue_delete(name)

    # ── publishing ──

    def publish(self, letters: Sequence[Letter]) -> list[Fate]:
        """As `Link.publish`."""
        with self._publishing:
            with self._doing("publish"):
                self._drain()
                taken = not self._blocked
                if taken:
                    self._write(letters)
            if not taken:  # even if the alarm is over by now: nothing of these letters was written
                raise BrokerFull(_ALARM)
            self._await_confirms(time.monotonic())
            return self._confirms.fates

    def _write(self, letters: Sequence[Letter]) -> None:
        self._confirms.expect(letters)
        frames = iter(publish_frames(_MESSAGES, self._connection.frame_max, letters))
        while piece := b"".join(islice(frames, _AT_ONCE)):
            self._connection.transport.write(piece)
            self._connection.bytes_sent += 1
            self._drain()

    def _await_confirms(self, began: float) -> None:
        while self._confirms.open:
            passed = time.monotonic() - began
            if self._blocked and passed > _PATIENCE:
                # what was written may yet be taken; it is of no consequence, for confirms of it are for nobody
                raise BrokerFull(_ALARM)
            with self._doing("publish"):
                if passed > self._patience:
                    raise BrokerUnavailable(f"publish: {self._confirms.open} messages not confirmed in {passed:.0f} s")
                self._drain()
                if not self._confirms.open:
                    return
                self._fates.expect()
            self._fates.sleep(self._socket, _SLICE)

    # ── reading ──

    def open(self, name: str, window: int) -> None:
        """As `Link.open`."""
        self.shut(name)
        with self._doing(f"read {name}"):
            tag = f"{name}#{time.monotonic_ns()}"[-255:]
            self._tags[tag.encode()] = name
            self._windows.open(name, window)
            if window != self._prefetch:  # it counts for each consumer that comes after it, by itself
                self._channel.basic_qos(0, window, a_global=False)
                self._prefetch = window
            self._channel.basic_consume(name, consumer_tag=tag, on_cancel=self._cancelled)
            self._current[name] = tag

    def _cancelled(self, tag: str) -> None:
        """The queue was removed."""
        name = self._tags.pop(tag.encode())
        if self._current.get(name) == tag:
            del self._current[name]
            self._windows.shut(name)

    def shut(self, name: str) -> None:
        """As `Link.shut`."""
        with self._doing(f"stop reading {name}"):
            tag = self._current.pop(name, None)
            if tag is not None:
                self._channel.basic_cancel(tag)
                self._tags.pop(tag.encode(), None)  # deliveries come before the answer: no more of it
            self._windows.shut(name)

    def room(self, name: str) -> int | None:
        """As `Link.room`."""
        with self._lock:
            return self._windows.room(name)

    def gather(self, wait: float) -> list[Message]:
        """As `Link.gather`."""
        with self._doing("receive"):
            self._drain()
            found, self._arrived = self._arrived, []
            if found or wait <= 0:
                return found
            self._messages.expect()
        self._messages.sleep(self._socket, wait)
        return self.gather(0)

    def check(self) -> None:
        """As `Link.check`."""
        with self._doing("look"):
            self._drain()

    def flush(self) -> None:
        """As `Link.flush`."""
        with self._doing("receive"):
            self._channel.basic_qos(0, self._prefetch, a_global=False)  # any question on this channel

    def ack(self, tags: Sequence[int]) -> None:
        """As `Link.ack`."""
        with self._doing("acknowledge"):
            prefix, others = self._windows.ack(tags)
            if prefix or others:
                self._connection.transport.write(ack_frames(_MESSAGES, prefix, others))
                self._connection.bytes_sent += 1

    def _drain(self) -> None:
        """Read all that has come, without waiting."""
        connection = self._connection
        transport = connection.transport
        ready = select.poll()
        ready.register(self._socket, select.POLLIN)
        while True:
            while (frame := transport.next_frame()) is not None:
                connection.on_inbound_frame(frame)
            if not (self._pending() or ready.poll(0)):
                return
            transport.fill()

    def _pending(self) -> bool:
        """Whether TLS holds bytes that are no longer in the socket."""
        pending = getattr(self._connection.sock, "pending", None)
        return pending is not None and pending() > 0

    # ── life ──

    def beat(self) -> None:
        """As `Link.beat`."""
        with self._doing("renew the lease"):
            self._connection.send_heartbeat()
            self.check()
            self._connection.heartbeat_tick()  # raises if the server has been silent

    def wake(self) -> None:
        """As `Link.wake`."""
        self._messages.ring()

    def close(self) -> None:
        """As `Link.close`."""
        with self._lock:
            if self._dead is None:
                self._die(BrokerUnavailable("the connection was closed"), politely=True)

    @contextmanager
    def _doing(self, what: str) -> Generator[None]:
        """Hold the lock; whatever goes wrong is the end of this link, unless the server merely refused."""
        with self._lock:
            if self._dead is not None:
                raise BrokerUnavailable(f"{what}: {self._dead}")
            try:
                with translated(what):
                    yield
            except BrokerError as error:
                self._die(error)
                raise

    def _die(self, error: BrokerError, *, politely: bool = False) -> None:
        self._dead = error
        with suppress(Exception):
            if politely and not self._blocked:
                self._connection.close()
        with suppress(Exception):
            self._connection.collect()
        self._messages.ring()
        self._fates.ring()
