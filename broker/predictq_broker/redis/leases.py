"""A consumer's lease on the streams of one or several queues: how it joins, stays alive, and is fenced.

Requests and results are handed out the same way, so workers and subscribers share all of this.
"""

import threading
import uuid
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple, Protocol

from predictq_broker.errors import BrokerError
from predictq_broker.port import Capacity
from predictq_broker.redis.connection import command
from predictq_broker.redis.entries import Handed, Place
from predictq_broker.redis.refusals import absent
from predictq_broker.redis.scripts import Call, Scripts, Step, run
from predictq_broker.redis.server import Server, ask
from predictq_broker.redis.watch import Queue, Watch

__all__ = ["Held", "Leased", "Received"]

_EVERY = 1_000_000
_AT_ONCE = 64
"""Queues that one round trip looks at."""
_NEVER = -1


class Held(Protocol):
    """An entry in our hands."""

    @property
    def place(self) -> Place:
        """Where it is."""
        ...

    @property
    def held(self) -> set[int]:
        """The numbers of those of its messages that are ours."""
        ...


class Received(NamedTuple):
    """What a queue gave.

    Attributes:
        now: The server's clock.
        handed: The entries.
        consumer: The name under which we hold them.
    """

    now: float
    handed: list[Handed]
    consumer: str


class Leased:
    """One consumer in one group, on as many queues as it reads.

    Its name in the server is made anew each time it was fenced, so that what it held under the old name can
    never be settled by mistake.
    """

    def __init__(self, where: Server, scripts: Scripts, group: str, name: str, lease: float) -> None:
        self._where = where
        self._scripts = scripts
        self._group = group
        self._name = name
        self._lease = lease
        self._watch = Watch(lease)
        self._lock = threading.Lock()
        self._joined: set[Queue] = set()
        self._asked: set[Queue] = set()  # joined, unless the answer that says so was lost
        self._held: dict[int, Held] = {}  # by identity: it is the same object until the end
        self._lost = 0
        self._readers = 0
        self._sure = _NEVER  # how many connections had been made when we were last sure of what we hold
        self.consumer = self._new_name()
        self.reader = self.consumer
        """The name under which was read last: that one has a lease, or will be found without one."""

    def _new_name(self) -> str:
        return f"{self._name}.{uuid.uuid4().hex[:12]}.{round(self._lease * 1000)}"

    def receive(self, queue: Queue, capacity: Capacity) -> Received:
        """Entries of `queue`."""
        (received,) = self.receive_each([(queue, capacity)])
        if isinstance(received, Exception):
            raise received
        return received

    def receive_each(self, wants: Sequence[tuple[Queue, Capacity]]) -> list[Received | Exception]:
        """Entries of each of these queues, or what the server said instead; in few round trips.

        If we are found fenced between two of them, what came before is held under a name that is no longer ours.
        """
        consumer = self.consumer
        self._asked.update(queue for queue, _ in wants)
        self.reader = consumer
        calls = [
            Call(queue.keys, [self._group, consumer, int(queue in self._joined), *capacity])
            for queue, capacity in wants
        ]
        found: list[Received | Exception] = []
        replies = run(self._where, [Step(self._scripts.receive, call) for call in calls])
        for (queue, capacity), reply in zip(wants, replies, strict=True):
            if isinstance(reply, Exception):
                found.append(reply)
            elif reply:
                found.append(self._received(queue, reply, consumer))
            else:  # fenced: begin again under a new name, which cannot be
                self._fenced(consumer)
                found += self.receive_each([(queue, capacity)])
        return found

    def _received(self, queue: Queue, reply: Any, consumer: str) -> Received:
        with self._lock:
            if self.consumer == consumer:
                self._joined.add(queue)
        return Received(int(reply[0]) + int(reply[1]) / 1e6, reply[2:], consumer)

    def has_joined(self, queue: Queue) -> bool:
        """Whether it was read from here, and still counts on our lease."""
        return queue in self._joined

    @contextmanager
    def reading(self, what: str) -> Generator[None]:
        """While we read. Before that, what the server thinks we hold and we do not is given back, unharmed.

        There may be such after a read that failed, for the answer that never came may have handed us entries; and
        after a connection was made anew, for a server that took another's place may not know what we settled.
        """
        made = self._where.connections.made
        with self._lock:
            alone, self._readers = self._readers == 0, self._readers + 1
        try:
            with self._where.trying(what):
                if alone and made != self._sure:  # another reader may have entries that are not held yet
                    self._give_back_unknown()
                    self._sure = made
                yield
        except BrokerError:
            self._sure = _NEVER
            raise
        finally:
            with self._lock:
                self._readers -= 1

    def _give_back_unknown(self) -> None:
        with self._lock:
            seen = {entry.place for entry in self._held.values()}
        for queue in list(self._asked):
            for number, stream in enumerate(queue.streams, 1):
                pending = self._pending(stream)
                unknown = [
                    (number, name, attempt)
                    for name, attempt in pending
                    if Place(queue.leases, number, name) not in seen
                ]
                if unknown:
                    self.release(queue, self.consumer, unknown)

    def _pending(self, stream: str) -> list[tuple[bytes, int]]:
        """The entries of `stream` that the server thinks we hold, each with its attempt."""
        pipeline = self._where.at(stream).pipeline(transaction=False)
        command(pipeline, "XPENDING", stream, self._group, "-", "+", _EVERY, self.consumer)
        (reply,) = pipeline.execute(raise_on_error=False)
        if absent(reply):
            return []  # the queue is gone, and with it whatever it held
        return [(name, int(attempt)) for name, _, _, attempt in reply]

    def hold(self, entries: Iterable[Held]) -> None:
        """Remember what we hold; it is what we lose when we are fenced."""
        with self._lock:
            self._held.update({id(entry): entry for entry in entries})

    def held_of(self, entry: Held) -> Collection[int]:
        """The numbers of what came in this entry and was neither settled, given back nor lost since."""
        return entry.held if id(entry) in self._held else ()

    def keeps(self, entry: Held, leaving: Collection[int]) -> bool:
        """Whether we hold more of what came in this entry than these."""
        return not set(self.held_of(entry)).issubset(leaving)

    def let_go(self, gone: Iterable[tuple[Held, Iterable[int]]]) -> None:
        """These, told by entry and number, are no longer ours."""
        with self._lock:
            for entry, numbers in gone:
                entry.held.difference_update(numbers)
                if not entry.held:
                    self._held.pop(id(entry), None)

    def _fenced(self, consumer: str) -> None:
        with self._lock:
            if self.consumer != consumer:
                return
            self._lost += sum(len(entry.held) for entry in self._held.values())
            self._held.clear()
            queues = list(self._asked)
            self._joined.clear()
            self._asked.clear()
            self.consumer = self._new_name()
        for queue in queues:  # where nobody has fenced us yet, for we shall not keep that lease any more
            self._leave(queue, consumer)

    def renew(self) -> int:
        """Let the heartbeat advance on every queue we read."""
        with self._where.trying("renew the lease"):
            consumer, queues = self.consumer, list(self._joined)
            if not all(self._scripts.renew.each([Call([queue.leases], [consumer]) for queue in queues])):
                self._fenced(consumer)
        with self._lock:
            lost, self._lost = self._lost, 0
        return lost

    def reclaim(self) -> int:
        """Fence whoever stands still on a queue of ours, and give back what they held."""
        with self._where.trying("reclaim from the dead"):
            beats = self._beats({queue.leases: queue for queue in self._joined})
            return sum(self._reclaim(queue, others) for queue, others in beats.items())

    def _reclaim(self, queue: Queue, beats: Mapping[str, str]) -> int:
        return sum(self._fence(queue, consumer, beat) for consumer, beat in self._watch.still(queue, beats))

    def _beats(self, queues: Mapping[str, Queue]) -> dict[Queue, dict[str, str]]:
        """By queue, every other consumer with its heartbeat; '' for one that holds entries without a lease."""
        beats: dict[Queue, dict[str, str]] = {}
        for together in self._where.together(list(queues)):
            for first in range(0, len(together), _AT_ONCE):
                some = [queues[leases] for leases in together[first : first + _AT_ONCE]]
                replies = iter(self._looked_at(some))
                beats |= {
                    queue: self._others(next(replies), list(islice(replies, len(queue.streams)))) for queue in some
                }
        return beats

    def _looked_at(self, queues: Sequence[Queue]) -> list[Any]:
        """Of each queue its leases, then the consumers of each of its streams."""
        pipeline = self._where.at(queues[0].leases).pipeline(transaction=False)
        for queue in queues:
            pipeline.hgetall(queue.leases)
            for stream in queue.streams:
                command(pipeline, "XINFO CONSUMERS", stream, self._group)
        return list(pipeline.execute(raise_on_error=False))

    def _others(self, heartbeats: Any, consumers: list[Any]) -> dict[str, str]:
        beats = dict.fromkeys(_holding(consumers), "")
        if not absent(heartbeats):
            beats |= {name.decode(): beat.decode() for name, beat in heartbeats.items()}
        beats.pop(self.consumer, None)
        return beats

    def _fence(self, queue: Queue, consumer: str, beat: str, *, leaves: bool = False) -> int:
        given_back, done = 0, False
        while not done:
            moved, done = self._scripts.reclaim(keys=queue.keys, args=[self._group, consumer, beat, int(leaves)])
            given_back += int(moved)
        return given_back

    def release(self, queue: Queue, consumer: str, entries: Sequence[tuple[int, bytes, int]]) -> bool:
        """Give entries back; each is told by stream, name and attempt. False if they were lost with the lease."""
        with self._where.trying("give requests back"):
            flat = [part for entry in entries for part in entry]
            return int(self._scripts.release(keys=queue.keys, args=[self._group, consumer, *flat])) >= 0

    def leave(self) -> None:
        """Give up the lease at once; whatever was still held is given back unharmed."""
        with self._where.trying("leave the queue"):
            for queue in list(self._asked):
                self._leave(queue, self.consumer)
        with self._lock:
            self._joined.clear()
            self._asked.clear()
            self._held.clear()

    def _leave(self, queue: Queue, consumer: str) -> None:
        beat = ask(self._where, queue.leases, "HGET", queue.leases, consumer)
        if isinstance(beat, bytes) and beat != b"fenced":  # then whoever fences us gives back what we held
            self._fence(queue, consumer, beat.decode(), leaves=True)


def _holding(replies: Iterable[Any]) -> list[str]:
    """The consumers that hold entries, in replies to XINFO CONSUMERS; a stream that is gone has none."""
    known = [consumer for reply in replies if not absent(reply) for consumer in reply]
    return [consumer["name"].decode() for consumer in known if consumer["pending"] and consumer["name"] != b"returned"]
