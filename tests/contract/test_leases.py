"""Leases: kept by renewing, lost by silence, and nothing a fenced consumer does counts."""

from collections.abc import Iterator

import pytest
from contract.conftest import MakeBroker
from contract.making import answer, ask, drain, eventually, hold, ids, let_pass, nothing_is_left, receive, send

from predictq_broker.messages import Code
from predictq_broker.port import Broker, Capacity, Consumer, Inbox

LEASE = 0.4  # seconds; a busy machine pauses a process for half of that
pytestmark = pytest.mark.usefixtures("attempts")


@pytest.fixture
def silent(broker: Broker) -> Iterator[Consumer]:
    """A consumer that will not renew."""
    consumer = broker.consumer("silent", lease=LEASE)
    yield consumer
    consumer.close()


@pytest.fixture
def other(make_broker: MakeBroker) -> Iterator[Consumer]:
    """A consumer of the same queue on another connection."""
    broker = make_broker()
    consumer = broker.consumer("other", lease=LEASE)
    if broker.capabilities.on_demand:  # if not, it would be sent what the silent one is to get
        receive(consumer)
    yield consumer
    consumer.close()


def fence(broker: Broker, other: Consumer, expected: int) -> None:
    """Watch until the silent one's lease is over."""
    given_back = 0
    waiting = broker.stats("iris").queued

    def all_waiting() -> bool:
        other.renew()
        return broker.stats("iris").queued >= waiting + expected

    if not broker.capabilities.on_demand:  # the broker itself gives back
        eventually(all_waiting)
        return

    def all_back() -> bool:
        nonlocal given_back
        other.renew()
        given_back += other.reclaim()
        return given_back >= expected

    eventually(all_back)
    assert given_back == expected


def test_a_dead_consumers_requests_go_to_another_with_one_attempt_more(
    broker: Broker, silent: Consumer, other: Consumer
) -> None:
    hold(broker, silent, ask("a"), ask("b"))
    assert other.reclaim() == 0
    fence(broker, other, 2)
    again = receive(other)
    assert ids(again) == ["a", "b"]
    assert [delivery.attempt for delivery in again] == [2, 2]


def test_attempts_count_one_for_each_consumer_that_died(broker: Broker, other: Consumer) -> None:
    send(broker, ask("a"))
    for attempt in (1, 2, 3):
        silent = broker.consumer("silent", lease=LEASE)
        (delivery,) = receive(silent)
        assert delivery.attempt == attempt
        fence(broker, other, 1)
        silent.close()


def test_what_a_dead_consumer_held_comes_before_what_waits(broker: Broker, silent: Consumer, other: Consumer) -> None:
    hold(broker, silent, ask("a"))
    send(broker, ask("b"))
    fence(broker, other, 1)
    assert ids(receive(other)) == ["a", "b"]


def test_a_release_after_a_death_keeps_the_count(broker: Broker, silent: Consumer, other: Consumer) -> None:
    hold(broker, silent, ask("a"))
    fence(broker, other, 1)
    other.release(receive(other))
    (delivery,) = receive(other)
    assert delivery.attempt == 2


def test_renewing_keeps_the_lease_beyond_its_length(broker: Broker, silent: Consumer, other: Consumer) -> None:
    held = hold(broker, silent, ask("a"))
    for _ in range(30):
        assert silent.renew() == 0
        assert other.reclaim() == 0
        let_pass(LEASE / 10)
    assert ids([outcome.delivery for outcome in silent.settle([answer(held[0])])]) == ["a"]


def test_a_fenced_consumer_settles_nothing(broker: Broker, silent: Consumer, other: Consumer, inbox: Inbox) -> None:
    held = hold(broker, silent, ask("a", reply_to=inbox.name))
    fence(broker, other, 1)
    assert list(silent.settle([answer(held[0], b"late")])) == []
    (delivery,) = receive(other)
    assert list(silent.settle([answer(held[0], b"late")])) == []
    assert len(other.settle([answer(delivery, b"in time")])) == 1
    assert [result.body for result in drain(inbox)] == [b"in time"]


def test_a_fenced_consumer_buries_and_releases_nothing(broker: Broker, silent: Consumer, other: Consumer) -> None:
    held = hold(broker, silent, ask("a"))
    fence(broker, other, 1)
    (delivery,) = receive(other)
    silent.release(held)
    assert list(silent.bury([answer(held[0])])) == []
    assert broker.stats("iris").queued == 0
    assert len(other.settle([answer(delivery)])) == 1


def test_renew_tells_a_fenced_consumer_how_many_it_lost_once(broker: Broker, silent: Consumer, other: Consumer) -> None:
    held = hold(broker, silent, ask("a"), ask("b"), ask("c"))
    silent.settle([answer(held[0])])
    fence(broker, other, 2)
    assert silent.renew() == 2
    assert silent.renew() == 0


def test_a_fenced_consumer_may_go_on_receiving(broker: Broker, silent: Consumer, other: Consumer) -> None:
    lost = hold(broker, silent, ask("a"))
    fence(broker, other, 1)
    held = receive(silent)
    assert [(delivery.request.id, delivery.attempt) for delivery in held] == [("a", 2)]
    assert list(silent.settle([answer(lost[0])])) == []
    assert len(silent.settle([answer(held[0])])) == 1
    assert silent.renew() == 1


@pytest.mark.usefixtures("on_demand")
def test_a_request_is_given_back_once_however_many_look(
    broker: Broker, make_broker: MakeBroker, silent: Consumer
) -> None:
    hold(broker, silent, ask("a"))
    watchers = [make_broker().consumer(f"watcher{n}", lease=5.0) for n in range(3)]
    for watcher in watchers:
        receive(watcher)
    found = 0

    def given_back() -> int:
        nonlocal found
        found += sum(watcher.reclaim() for watcher in watchers)
        return found

    eventually(given_back)
    let_pass(LEASE)
    assert given_back() == 1
    for watcher in watchers:
        watcher.close()


def test_closing_gives_back_unharmed_what_is_held(broker: Broker, consumer: Consumer, other: Consumer) -> None:
    hold(broker, consumer, ask("a"))
    consumer.close()
    consumer.close()
    (delivery,) = receive(other)
    assert (delivery.request.id, delivery.attempt) == ("a", 1)


def test_a_heart_that_beats_on_after_closing_makes_no_consumer(broker: Broker, consumer: Consumer) -> None:
    receive(consumer)
    consumer.close()
    assert consumer.renew() == 0
    assert broker.stats("iris").consumers == 0


def test_after_a_death_and_an_answer_nothing_is_left(
    broker: Broker, silent: Consumer, other: Consumer, inbox: Inbox
) -> None:
    hold(broker, silent, ask("a", reply_to=inbox.name))
    fence(broker, other, 1)
    other.settle([answer(delivery) for delivery in receive(other)])
    other.close()
    assert [result.status for result in drain(inbox)] == [Code.OK]
    assert nothing_is_left(broker)


@pytest.mark.usefixtures("one_by_one")
def test_no_more_suspects_come_than_are_wanted_and_new_ones_come_all_the_same(
    broker: Broker, silent: Consumer, other: Consumer
) -> None:
    hold(broker, silent, *[ask(name) for name in "abc"])
    fence(broker, other, 3)
    send(broker, ask("new"))
    wants = {"iris": Capacity(10, suspects=2)}
    first = other.receive(wants, 1)
    assert [(delivery.request.id, delivery.attempt) for delivery in first] == [("a", 2), ("b", 2), ("new", 1)]
    assert list(other.receive({"iris": Capacity(10, suspects=0)}, 0)) == []
    assert [delivery.request.id for delivery in other.receive(wants, 1)] == ["c"]
