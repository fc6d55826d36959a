"""`Consumer.receive`: order, capacity, waiting, deadlines."""

import math
import time

import pytest
from contract.conftest import MakeBroker
from contract.making import ask, eventually, hold, ids, in_background, let_pass, receive, send

from predictq_broker.messages import Priority
from predictq_broker.port import Broker, Capacity, Consumer

HIGH, LOW = Priority.HIGH, Priority.LOW


def test_a_higher_priority_comes_first_and_each_in_order_of_acceptance(broker: Broker, consumer: Consumer) -> None:
    send(broker, ask("low1", priority=LOW), ask("normal1"), ask("high1", priority=HIGH))
    send(broker, ask("high2", priority=HIGH), ask("normal2"), ask("low2", priority=LOW))
    assert ids(receive(consumer)) == ["high1", "high2", "normal1", "normal2", "low1", "low2"]


def test_what_was_given_back_comes_first_within_its_priority(broker: Broker, consumer: Consumer) -> None:
    consumer.release(hold(broker, consumer, ask("a"), ask("b")))
    send(broker, ask("c"), ask("d", priority=HIGH))
    again = receive(consumer)
    assert ids(again) == ["d", "a", "b", "c"]
    assert [delivery.attempt for delivery in again] == [1, 1, 1, 1]
    assert [delivery.request.priority for delivery in again] == [HIGH, *[Priority.NORMAL] * 3]


@pytest.mark.usefixtures("one_by_one")
def test_no_more_come_than_there_is_capacity_for(broker: Broker, consumer: Consumer) -> None:
    send(broker, *[ask(name) for name in "abcde"])
    assert [ids(receive(consumer, 2)) for _ in range(4)] == [["a", "b"], ["c", "d"], ["e"], []]


def test_capacity_holds_across_priorities_and_what_was_given_back(broker: Broker, consumer: Consumer) -> None:
    consumer.release(hold(broker, consumer, ask("a"), ask("b")))
    send(broker, ask("c", priority=HIGH), ask("d"))
    assert [ids(receive(consumer, n)) for n in (1, 2, 5)] == [["c"], ["a", "b"], ["d"]]


@pytest.mark.usefixtures("one_by_one")
def test_the_request_that_crosses_the_rows_is_the_last(broker: Broker, consumer: Consumer) -> None:
    send(broker, *[ask(name, rows=5) for name in "abcd"])
    assert ids(consumer.receive({"iris": Capacity(10, rows=8)}, 0)) == ["a", "b"]
    assert ids(consumer.receive({"iris": Capacity(10, rows=5)}, 0)) == ["c"]


@pytest.mark.usefixtures("one_by_one")
def test_the_request_that_crosses_the_size_is_the_last(broker: Broker, consumer: Consumer) -> None:
    send(broker, *[ask(name, body=b"x" * 100) for name in "abcd"])
    assert ids(consumer.receive({"iris": Capacity(10, size=150)}, 0)) == ["a", "b"]
    assert ids(consumer.receive({"iris": Capacity(10, size=100)}, 0)) == ["c"]


def test_at_least_one_request_comes_however_large(broker: Broker, consumer: Consumer) -> None:
    send(broker, ask("a", rows=1000, body=b"x" * 1000))
    assert ids(consumer.receive({"iris": Capacity(1, rows=1, size=1)}, 0)) == ["a"]


@pytest.mark.usefixtures("one_by_one")
def test_each_queue_has_its_own_capacity_and_no_other_queue_is_touched(broker: Broker, consumer: Consumer) -> None:
    for model in ("iris", "digits", "wine"):
        send(broker, *[ask(f"{model}{n}", model=model) for n in range(3)])
    found = consumer.receive({"iris": Capacity(1), "digits": Capacity(2)}, 0)
    assert sorted(ids(found)) == ["digits0", "digits1", "iris0"]
    assert broker.stats("wine").queued == 3


def test_without_requests_it_waits_and_returns_empty(consumer: Consumer) -> None:
    began = time.monotonic()
    assert list(receive(consumer, wait=0.15)) == []
    assert time.monotonic() - began >= 0.14


def test_with_no_wait_it_returns_at_once(consumer: Consumer) -> None:
    receive(consumer)
    began = time.monotonic()
    assert list(receive(consumer, wait=0)) == []
    assert time.monotonic() - began < 1


def test_a_send_wakes_who_waits(broker: Broker, consumer: Consumer) -> None:
    assert receive(consumer, wait=0.1) == []  # an engine that opens queues has opened them by now
    waiting = in_background(lambda: receive(consumer, wait=15))
    let_pass(0.05)
    send(broker, ask("a"))
    began = time.monotonic()
    assert ids(waiting.result()) == ["a"]
    assert time.monotonic() - began < 2


def test_a_send_of_another_connection_wakes_who_waits(make_broker: MakeBroker, consumer: Consumer) -> None:
    assert receive(consumer, wait=0.1) == []
    waiting = in_background(lambda: receive(consumer, wait=15))
    let_pass(0.05)
    send(make_broker(), ask("a", priority=LOW))
    began = time.monotonic()
    assert ids(waiting.result()) == ["a"]
    assert time.monotonic() - began < 2


@pytest.mark.usefixtures("on_demand")
def test_a_release_wakes_who_waits(broker: Broker, consumer: Consumer) -> None:
    held = hold(broker, consumer, ask("a"))
    other = broker.consumer("other")
    waiting = in_background(lambda: receive(other, wait=15))
    let_pass(0.05)
    consumer.release(held)
    began = time.monotonic()
    assert ids(waiting.result()) == ["a"]
    assert time.monotonic() - began < 2
    other.close()


def test_a_deadline_counts_from_acceptance(broker: Broker, consumer: Consumer) -> None:
    send(broker, ask("a", ttl=30.0))
    let_pass(0.1)
    before = time.monotonic()
    (delivery,) = receive(consumer)
    after = time.monotonic()
    assert before <= delivery.received <= after
    assert 0.09 <= delivery.queued < 5
    left = delivery.expires - delivery.received
    assert 25 < left <= 29.92
    assert abs(left + delivery.queued - 30) < 0.01


def test_without_a_ttl_there_is_no_deadline(broker: Broker, consumer: Consumer) -> None:
    (delivery,) = hold(broker, consumer, ask("a"))
    assert delivery.expires == math.inf


def test_a_request_past_its_deadline_is_delivered_so_that_it_can_be_answered(
    broker: Broker, consumer: Consumer
) -> None:
    send(broker, ask("a", ttl=0.02))
    let_pass(0.05)
    (delivery,) = receive(consumer)
    assert delivery.expires < delivery.received


def test_two_consumers_never_get_the_same_request(broker: Broker, make_broker: MakeBroker) -> None:
    send(broker, *[ask(f"r{n}") for n in range(20)])
    consumers = [b.consumer(f"worker-{n}", lease=60.0) for n, b in enumerate((broker, make_broker()))]
    found: list[str] = []

    def all_found() -> bool:  # whoever is sent requests ahead keeps some of them for its own next reading
        for consumer in consumers:
            found.extend(ids(receive(consumer, 5, wait=0.1)))
        return len(found) >= 20

    try:
        eventually(all_found)
    finally:
        for consumer in consumers:
            consumer.close()
    assert len(set(found)) == len(found) == 20
