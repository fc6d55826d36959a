"""What the state machine found, told alone: each of these failed on an engine before it was mended."""

from collections.abc import Iterator

import pytest
from contract.conftest import MakeBroker
from contract.engines import ENGINES, Engine
from contract.making import answer, ask, eventually, failure, hold, ids, receive, send

from predictq_broker.messages import Code
from predictq_broker.port import Broker, Capacity, Consumer

LEASE = 0.2


@pytest.fixture(params=["sqlite", "redis", "memory"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Those whose leases are kept by heartbeats."""
    return ENGINES[request.param](request)


def fence(other: Consumer, expected: int) -> None:
    """Watch until the silent one's lease is over and what it held has come back."""
    found = 0

    def all_back() -> bool:
        nonlocal found
        other.renew()
        found += other.reclaim()
        return found >= expected

    eventually(all_back)


@pytest.fixture
def silent(broker: Broker) -> Iterator[Consumer]:
    consumer = broker.consumer("silent", lease=LEASE)
    yield consumer
    consumer.close()


@pytest.fixture
def other(make_broker: MakeBroker) -> Iterator[Consumer]:
    consumer = make_broker().consumer("other", lease=LEASE)
    consumer.receive({"iris": Capacity(1), "digits": Capacity(1)}, 0)
    yield consumer
    consumer.close()


def test_only_bodies_count_for_the_size_a_consumer_can_take(broker: Broker, consumer: Consumer) -> None:
    send(broker, *[ask(name, body=b"xx", key="k" * 100) for name in "abc"])
    assert ids(consumer.receive({"iris": Capacity(10, size=5)}, 0)) == ["a", "b", "c"]


def test_however_many_were_given_back_they_come_before_what_is_new(broker: Broker, consumer: Consumer) -> None:
    names = [f"r{n}" for n in range(200)]
    consumer.release(hold(broker, consumer, *map(ask, names)))
    send(broker, ask("new"))
    assert ids(receive(consumer, 300)) == [*names, "new"]


def test_what_did_not_fit_is_new_as_before_and_no_suspect_stands_in_its_way(
    broker: Broker, silent: Consumer, other: Consumer
) -> None:
    send(broker, *map(ask, "abcd"))
    silent.receive({"iris": Capacity(10, rows=1)}, 0)
    fence(other, 1)
    send(broker, ask("new"))
    assert ids(other.receive({"iris": Capacity(10, suspects=0)}, 0)) == ["b", "c", "d", "new"]


@pytest.mark.parametrize("way", ["release", "bury", "settle"])
def test_what_a_fenced_consumer_tries_in_vain_still_counts_as_lost(
    broker: Broker, silent: Consumer, other: Consumer, way: str
) -> None:
    (held,) = hold(broker, silent, ask("a"))
    fence(other, 1)
    match way:
        case "release":
            silent.release([held])
        case "bury":
            assert list(silent.bury([failure(held, Code.DEAD_LETTERED, "no")])) == []
        case _:
            assert list(silent.settle([answer(held)])) == []
    assert silent.renew() == 1


def test_a_consumer_fenced_between_two_queues_holds_what_it_was_handed(
    broker: Broker, silent: Consumer, other: Consumer
) -> None:
    hold(broker, silent, ask("old", model="digits"))
    fence(other, 1)
    send(broker, ask("a"), ask("b"))
    deliveries = silent.receive({"iris": Capacity(10), "digits": Capacity(10)}, 0)
    assert sorted(ids(deliveries)) == ["a", "b", "old"]
    for _ in range(10):
        assert silent.renew() in {0, 1}  # the one it lost before is told once
        other.reclaim()
    assert len(silent.settle([answer(delivery) for delivery in deliveries])) == 3


def test_an_outcome_of_a_lost_delivery_is_not_taken_for_that_of_a_later_one(
    broker: Broker, silent: Consumer, other: Consumer
) -> None:
    lost = hold(broker, silent, ask("a", reply_to="answers"))
    fence(other, 1)
    (held,) = receive(silent)
    assert held.attempt == 2
    outcomes = [answer(lost[0], b"late"), answer(held, b"in time")]
    assert list(silent.settle(outcomes)) == [outcomes[1]]
    (given,) = eventually(lambda: broker.subscription("answers").receive(10, 0))
    assert given.result.body == b"in time"


def test_a_result_that_was_acknowledged_is_held_no_more(broker: Broker, consumer: Consumer) -> None:
    consumer.settle([answer(delivery) for delivery in hold(broker, consumer, ask("a", reply_to="answers"))])
    subscriber = broker.subscription("answers")
    (delivery,) = eventually(lambda: subscriber.receive(10, 0))
    assert subscriber.holds(delivery)
    assert subscriber.ack([delivery]) == 1
    assert not subscriber.holds(delivery)
    subscriber.close()


def test_a_foreign_field_that_looks_like_a_dead_letters_does_not_harm_the_list(
    engine: Engine, broker: Broker, consumer: Consumer
) -> None:
    send(broker, ask("first"))
    if engine.url.startswith("sqlite"):
        pytest.skip("its view has no such columns")
    engine.write(
        "iris", {"id": "a", "body": b"[[1]]", "dead.priority": "x", "dead.attempts": "many", "dead.reason": b"\xff"}
    )
    held = receive(consumer)
    assert len(consumer.bury([failure(delivery, Code.DEAD_LETTERED, "set aside") for delivery in held])) == 2
    letters = broker.dead("iris").list()
    assert [(letter.request.id, letter.reason, letter.attempts) for letter in letters] == [
        ("first", "set aside", 1),
        ("a", "set aside", 1),
    ]
