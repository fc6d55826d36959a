"""An honest broker in this process's memory, with faults to order, for tests of those who use the port.

It keeps the port's promises (order, priorities, deduplication, limits, atomic settling, redelivery), except that
leases never run out by themselves: `FakeSubscription.die` says that its holder is gone.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Literal, Self

from fake_leases import FakeConsumer, FakeSubscription, Waiting

from predictq_broker import (
    BrokerRefused,
    BrokerUnavailable,
    Capabilities,
    Code,
    DeadLetters,
    Durability,
    Limits,
    QueueStats,
    Request,
    Result,
    Survives,
    Verdict,
    check_name,
)
from predictq_broker.each import one_by_one
from predictq_broker.errors import BrokerError
from predictq_broker.names import new_inbox_name

When = Literal["before", "after"]


@dataclass
class Fault:
    """What the next calls of one kind come to."""

    times: int
    when: When
    error: BaseException


@dataclass
class Model:
    """All that is known of one model's queue."""

    waiting: list[Waiting] = field(default_factory=list)
    held: dict[int, FakeConsumer] = field(default_factory=dict)


class FakeBroker:
    """Implements `predictq_broker.Broker`."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.capabilities = Capabilities(engine="fake", shared=False)
        self.limits = limits or Limits()
        self.changed = threading.Condition(threading.RLock())
        self.queues: dict[str, Model] = defaultdict(Model)
        self.known: dict[tuple[str, str], Request] = {}
        self.results: dict[str, deque[tuple[Result, int]]] = defaultdict(deque)
        self.expected: dict[str, set[str]] = defaultdict(set)
        self.sent: list[list[Request]] = []
        self.readers: list[threading.Thread] = []
        self.is_closed = False
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._numbers = count(1)

    def fail(self, call: str, times: int = 1, when: When = "before", error: BaseException | None = None) -> None:
        """Let the next `times` calls of `call` raise, before they had any effect or after they had all of it."""
        self._faults[call].append(Fault(times, when, error or BrokerUnavailable("the fake is down")))

    def heal(self) -> None:
        """No more faults."""
        self._faults.clear()

    def strike(self, call: str, when: When) -> None:
        """Raise if a fault of this kind is due now."""
        faults = self._faults[call]
        if not faults or faults[0].when != when:
            return
        fault = faults[0]
        fault.times -= 1
        if fault.times == 0:
            faults.popleft()
        raise fault.error

    def send(self, requests: Sequence[Request], *, first: bool = False) -> Sequence[Verdict]:
        with self.changed:
            self.sent.append(list(requests))
            self.strike("send", "before")
            if len({request.model for request in requests}) > 1:
                raise ValueError("one send is for one model")
            assert not (first and any((request.model, request.id) in self.known for request in requests))
            full = False
            verdicts = list[Verdict]()
            for request in requests:
                verdicts.append(self._store(request, full=full))
                full = full or verdicts[-1] is Verdict.QUEUE_FULL
            self.changed.notify_all()
            self.strike("send", "after")
            return verdicts

    def send_each(
        self, batches: Sequence[Sequence[Request]], *, first: bool = False
    ) -> Sequence[Sequence[Verdict] | BrokerError]:
        return one_by_one(self.send, batches, first=first)

    def _store(self, request: Request, *, full: bool) -> Verdict:
        for kind, name in (("model", request.model), ("request id", request.id)):
            check_name(kind, name)
        known = self.known.get((request.model, request.id))
        if known is not None:
            return Verdict.DUPLICATE if _fingerprint(known) == _fingerprint(request) else Verdict.CONFLICT
        queue = self.queues[request.model]
        if full or len(queue.waiting) + len(queue.held) >= self.limits.queue_requests:
            return Verdict.QUEUE_FULL
        if request.reply_to and len(self.results[request.reply_to]) >= self.limits.unread_results:
            return Verdict.RESULTS_FULL
        self.known[request.model, request.id] = request
        queue.waiting.append(Waiting(request, time.monotonic(), number=next(self._numbers)))
        return Verdict.ACCEPTED

    def cancel(self, model: str, ids: Sequence[str]) -> Sequence[str]:
        with self.changed:
            self.strike("cancel", "before")
            waiting = self.queues[model].waiting
            wanted = set(ids)
            gone = [item.request for item in waiting if item.request.id in wanted]
            waiting[:] = [item for item in waiting if item.request.id not in wanted]
            for request in gone:
                self.publish(request, Result(request.id, Code.CANCELLED, b"withdrawn", model=model))
            return [request.id for request in gone]

    def publish(self, request: Request, result: Result) -> None:
        """Put a result where it belongs."""
        if request.reply_to:
            self.results[request.reply_to].append((result, 1))
            self.changed.notify_all()

    def consumer(self, name: str, lease: float = 10.0) -> FakeConsumer:
        del name, lease
        return FakeConsumer(self)

    def inbox(self) -> "FakeInbox":
        return FakeInbox(self)

    def subscription(self, queue: str, lease: float = 10.0) -> FakeSubscription:
        del lease
        return FakeSubscription(self, check_name("result queue", queue))

    def dead(self, model: str) -> DeadLetters:
        raise BrokerRefused(f"the fake keeps no dead letters of {model!r}")

    def models(self) -> Sequence[str]:
        return sorted(self.queues)

    def stats(self, model: str) -> QueueStats:
        with self.changed:
            queue = self.queues[model]
            oldest = max([0.0, *(time.monotonic() - item.accepted for item in queue.waiting)])
            return QueueStats(len(queue.waiting), len(queue.held), oldest, 0, 0)

    def durability(self) -> Durability:
        return Durability(Survives.NOTHING, "it is a fake")

    def close(self) -> None:
        with self.changed:
            self.is_closed = True
            self.changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _fingerprint(request: Request) -> tuple[bytes, str, str, str]:
    return request.body, request.ref, request.method, request.content_type


class FakeInbox:
    """Implements `predictq_broker.Inbox`."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self.name = new_inbox_name()
        self.is_closed = False
        self.repeats = True
        self._told: list[tuple[Result, int]] = []

    def repeat(self) -> None:
        with self._broker.changed:
            self._broker.results[self.name].extendleft(reversed(self._told))
            self._told = []

    def expect(self, model: str) -> None:
        self._broker.strike("expect", "before")
        self._broker.expected[self.name].add(model)

    def receive(self, wait: float) -> Sequence[Result]:
        deadline = time.monotonic() + wait
        with self._broker.changed:
            self._broker.strike("receive", "before")
            mail = self._broker.results[self.name]
            while not mail and not self.is_closed and (left := deadline - time.monotonic()) > 0:
                self._broker.changed.wait(left)
                self._broker.strike("receive", "before")
            results = [result for result, _ in mail if not result.model or self._expects(result)]
            self._told = list(mail)
            mail.clear()
            if results:
                self._broker.strike("receive", "after")
            self._broker.readers.append(threading.current_thread())
            return results

    def _expects(self, result: Result) -> bool:
        return result.model in self._broker.expected[self.name]

    def close(self) -> None:
        with self._broker.changed:
            self.is_closed = True
            self._broker.results.pop(self.name, None)
            self._broker.changed.notify_all()
