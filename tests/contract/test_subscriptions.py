"""`Subscription`: the readers that share a durable result queue."""

import time
from collections.abc import Iterator

import pytest
from contract.conftest import MakeBroker
from contract.making import answer, ask, eventually, hold, ids, in_background, let_pass, send

from predictq_broker.errors import InvalidName
from predictq_broker.messages import Code, Result, ResultDelivery, Timings, Verdict
from predictq_broker.port import Broker, Consumer, Subscription

LEASE = 0.2


@pytest.fixture
def subscriber(broker: Broker) -> Iterator[Subscription]:
    subscriber = broker.subscription("answers", lease=LEASE)
    yield subscriber
    subscriber.close()


@pytest.fixture
def other(make_broker: MakeBroker) -> Iterator[Subscription]:
    broker = make_broker()
    subscriber = broker.subscription("answers", lease=LEASE)
    if broker.capabilities.on_demand:  # if not, it would be sent what another one is to get
        subscriber.receive(1, 0)
    yield subscriber
    subscriber.close()


def answered(broker: Broker, consumer: Consumer, *names: str, reply_to: str = "answers") -> None:
    held = hold(broker, consumer, *[ask(name, reply_to=reply_to) for name in names])
    assert len(consumer.settle([answer(delivery) for delivery in held])) == len(names)


def taken_over(broker: Broker, other: Subscription, expected: int) -> list[ResultDelivery]:
    """Watch until another one's lease is over, and take what it held."""
    given_back = 0
    found: list[ResultDelivery] = []

    def all_here() -> bool:
        nonlocal given_back
        other.renew()
        given_back += other.reclaim()
        found.extend(other.receive(10, 0))
        return len(found) >= expected

    eventually(all_here)
    assert given_back == (expected if broker.capabilities.on_demand else 0)  # if not, the broker itself gives back
    return found


def test_a_result_waits_for_a_subscriber_that_comes_later(
    broker: Broker, consumer: Consumer, subscriber: Subscription
) -> None:
    answered(broker, consumer, "a")
    (delivery,) = subscriber.receive(10, 1)
    assert delivery.result == Result("a", Code.OK, b"[0]", "iris", 3, "sha256:abc", timings=Timings())
    assert delivery.attempt == 1


def test_results_come_in_order_up_to_the_capacity(broker: Broker, consumer: Consumer, subscriber: Subscription) -> None:
    answered(broker, consumer, *"abcde")
    assert [ids(subscriber.receive(2, 0.2)) for _ in range(4)] == [["a", "b"], ["c", "d"], ["e"], []]


def test_two_subscribers_share_the_results(
    broker: Broker, consumer: Consumer, subscriber: Subscription, other: Subscription
) -> None:
    answered(broker, consumer, *"abcd")
    assert ids(subscriber.receive(2, 1)) == ["a", "b"]
    assert ids(other.receive(2, 1)) == ["c", "d"]


def test_each_queue_is_read_alone(broker: Broker, consumer: Consumer, subscriber: Subscription) -> None:
    answered(broker, consumer, "a", reply_to="others")
    answered(broker, consumer, "b")
    assert ids(subscriber.receive(10, 1)) == ["b"]


def test_an_acknowledged_result_is_forgotten_once(
    broker: Broker, consumer: Consumer, subscriber: Subscription, other: Subscription
) -> None:
    answered(broker, consumer, "a", "b")
    deliveries = subscriber.receive(10, 1)
    assert subscriber.ack(deliveries[:1]) == 1
    assert subscriber.ack(deliveries) == 1
    assert subscriber.ack(deliveries) == 0
    subscriber.close()
    assert list(other.receive(10, 0)) == []


def test_what_is_not_acknowledged_comes_again_after_a_close(
    broker: Broker, consumer: Consumer, subscriber: Subscription, other: Subscription
) -> None:
    answered(broker, consumer, "a", "b")
    deliveries = subscriber.receive(10, 1)
    subscriber.ack(deliveries[:1])
    subscriber.close()
    subscriber.close()
    (again,) = other.receive(10, 1)
    assert (again.result.id, again.attempt) == ("b", 1)


@pytest.mark.usefixtures("attempts")
def test_a_dead_subscribers_results_go_to_another_with_one_attempt_more(
    broker: Broker, consumer: Consumer, subscriber: Subscription, other: Subscription
) -> None:
    answered(broker, consumer, "a", "b")
    lost = subscriber.receive(10, 1)
    assert list(other.receive(10, 0)) == []
    assert other.reclaim() == 0
    again = taken_over(broker, other, 2)
    assert [(delivery.result.id, delivery.attempt) for delivery in again] == [("a", 2), ("b", 2)]
    assert subscriber.ack(lost) == 0
    assert subscriber.renew() == 2
    assert subscriber.renew() == 0
    assert other.ack(again) == 2


def test_renewing_keeps_the_results(
    broker: Broker, consumer: Consumer, subscriber: Subscription, other: Subscription
) -> None:
    answered(broker, consumer, "a")
    held = subscriber.receive(10, 1)
    assert list(other.receive(10, 0)) == []
    for _ in range(25):
        assert subscriber.renew() == 0
        assert other.reclaim() == 0
        let_pass(LEASE / 10)
    assert subscriber.ack(held) == 1


def test_without_results_it_waits_and_returns_empty(subscriber: Subscription) -> None:
    began = time.monotonic()
    assert list(subscriber.receive(10, 0.15)) == []
    assert time.monotonic() - began >= 0.14


def test_a_result_wakes_who_waits(make_broker: MakeBroker, consumer: Consumer, subscriber: Subscription) -> None:
    waiting = in_background(lambda: subscriber.receive(10, 15))
    let_pass(0.05)
    answered(make_broker(), consumer, "a")
    began = time.monotonic()
    assert ids(waiting.result()) == ["a"]
    assert time.monotonic() - began < 2


@pytest.mark.usefixtures("figures")
def test_results_nobody_acknowledged_count_as_unread(make_broker: MakeBroker, consumer: Consumer) -> None:
    broker = make_broker(unread_results=2)
    subscriber = broker.subscription("answers")
    answered(broker, consumer, "a", "b")
    deliveries = subscriber.receive(10, 1)
    assert list(broker.send([ask("c", reply_to="answers")])) == [Verdict.RESULTS_FULL]
    subscriber.ack(deliveries)
    send(broker, ask("c", reply_to="answers"))
    subscriber.close()


def test_a_durable_queue_never_expires(make_broker: MakeBroker, subscriber: Subscription) -> None:
    broker = make_broker(inbox_ttl=0.05)
    consumer = broker.consumer("worker")
    answered(broker, consumer, "a")
    let_pass(0.15)
    send(broker, ask("b"))
    assert ids(subscriber.receive(10, 1)) == ["a"]
    consumer.close()


def test_a_queues_name_is_a_name(broker: Broker) -> None:
    with pytest.raises(InvalidName):
        broker.subscription("no/name")
