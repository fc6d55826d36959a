"""What the fake broker hands out: deliveries to consumers and results to subscribers, until they are given back."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from predictq_broker import (
    Capacity,
    Delivery,
    Outcome,
    Priority,
    Request,
    ResultDelivery,
    is_inbox,
)

if TYPE_CHECKING:
    from fakes import FakeBroker


@dataclass
class Waiting:
    """A request in a queue."""

    request: Request
    accepted: float
    attempt: int = 1
    number: int = 0


class FakeConsumer:
    """Implements `predictq_broker.Consumer`."""

    def __init__(self, broker: "FakeBroker") -> None:
        self._broker = broker

    def receive(self, wants: Mapping[str, Capacity], wait: float) -> Sequence[Delivery]:
        deadline = time.monotonic() + wait
        with self._broker.changed:
            while not (taken := [d for model, room in wants.items() for d in self._take(model, room.requests)]):
                left = deadline - time.monotonic()
                if left <= 0 or self._broker.is_closed:
                    return []
                self._broker.changed.wait(left)
            return taken

    def _take(self, model: str, capacity: int) -> list[Delivery]:
        queue = self._broker.queues[model]
        order = {priority: n for n, priority in enumerate(Priority)}
        queue.waiting.sort(key=lambda item: (order[item.request.priority], item.number))
        taken, queue.waiting = queue.waiting[:capacity], queue.waiting[capacity:]
        queue.held |= {item.number: self for item in taken}
        return [_delivery(item) for item in taken]

    def renew(self) -> int:
        return 0

    def reclaim(self) -> int:
        return 0

    def settle(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        with self._broker.changed:
            settled = [outcome for outcome in outcomes if self._forget(outcome.delivery)]
            for outcome in settled:
                self._broker.publish(outcome.delivery.request, outcome.result)
            return settled

    def _forget(self, delivery: Delivery) -> bool:
        held = self._broker.queues[delivery.request.model].held
        number = _waiting(delivery).number
        if held.get(number) is not self:
            return False
        del held[number]
        return True

    def release(self, deliveries: Sequence[Delivery]) -> None:
        with self._broker.changed:
            for item in (_waiting(delivery) for delivery in deliveries if self._forget(delivery)):
                self._broker.queues[item.request.model].waiting.append(item)
            self._broker.changed.notify_all()

    def bury(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        return self.settle(outcomes)

    def close(self) -> None:
        """Nothing is held open."""


def _waiting(delivery: Delivery) -> Waiting:
    assert isinstance(delivery.tag, Waiting)
    return delivery.tag


def _delivery(item: Waiting) -> Delivery:
    now = time.monotonic()
    ttl = item.request.ttl
    expires = float("inf") if ttl is None else item.accepted + ttl
    return Delivery(item.request, item, item.attempt, now - item.accepted, now, expires)


class FakeSubscription:
    """Implements `predictq_broker.Subscription`."""

    def __init__(self, broker: "FakeBroker", queue: str) -> None:
        assert not is_inbox(queue)
        self._broker = broker
        self._mail = broker.results[queue]
        self.held: list[ResultDelivery] = []
        self.renewed = 0
        self.lost = 0

    def receive(self, capacity: int, wait: float) -> Sequence[ResultDelivery]:
        deadline = time.monotonic() + wait
        with self._broker.changed:
            self._broker.strike("results", "before")
            while not self._mail and (left := deadline - time.monotonic()) > 0:
                self._broker.changed.wait(left)
            taken = [self._mail.popleft() for _ in range(min(capacity, len(self._mail)))]
            deliveries = [ResultDelivery(result, object(), attempt) for result, attempt in taken]
            self.held += deliveries
            return deliveries

    def ack(self, deliveries: Sequence[ResultDelivery]) -> int:
        with self._broker.changed:
            self._broker.strike("ack", "before")
            ours = [delivery for delivery in deliveries if delivery in self.held]
            self.held = [delivery for delivery in self.held if delivery not in ours]
            self._broker.changed.notify_all()
            return len(ours)

    def holds(self, delivery: ResultDelivery) -> bool:
        with self._broker.changed:
            return delivery in self.held

    def renew(self) -> int:
        with self._broker.changed:
            self.renewed += 1
            lost, self.lost = self.lost, 0
            self._broker.changed.notify_all()
            return lost

    def reclaim(self) -> int:
        return 0

    def die(self) -> None:
        """As if the process was killed and the lease ran out."""
        self._give_back(more_attempts=1)

    def _give_back(self, more_attempts: int) -> None:
        with self._broker.changed:
            self.lost += len(self.held) * more_attempts
            back = [(delivery.result, delivery.attempt + more_attempts) for delivery in self.held]
            self._mail.extendleft(reversed(back))
            self.held = []
            self._broker.changed.notify_all()

    def close(self) -> None:
        self._give_back(more_attempts=0)
