"""Requests that no library of ours wrote: as good as any if they are valid, and answered if they are not."""

import pytest
from contract.engines import Engine
from contract.making import answer, ask, drain, failure, hold, ids, nothing_is_left, receive, send

from predictq_broker.messages import ARROW, Code, Request
from predictq_broker.port import Broker, Consumer, Inbox


@pytest.fixture(autouse=True)
def _exists(broker: Broker, consumer: Consumer) -> None:
    """The store is made by the first who uses it."""
    receive(consumer)
    broker.models()


def test_a_valid_request_is_a_request_like_any_other(
    engine: Engine, broker: Broker, consumer: Consumer, inbox: Inbox
) -> None:
    engine.write("iris", {"id": "a", "reply_to": inbox.name, "body": b"[[5.1]]"})
    (delivery,) = receive(consumer)
    assert delivery.request == Request("iris", b"[[5.1]]", "a", reply_to=inbox.name)
    assert (delivery.fault, delivery.attempt) == (None, 1)
    consumer.settle([answer(delivery)])
    assert ids(drain(inbox)) == ["a"]
    consumer.close()
    assert nothing_is_left(broker)


def test_every_header_is_read(engine: Engine, consumer: Consumer) -> None:
    headers = {
        "ref": "3",
        "method": "transform",
        "content_type": ARROW,
        "rows": "12",
        "key": "k",
        "traceparent": "00-x",
    }
    engine.write("iris", {"v": "1", "id": "a", "ttl": "30000", **headers, "body": b"\x00\xff"})
    (delivery,) = receive(consumer)
    assert delivery.fault is None
    assert delivery.request == Request(
        "iris", b"\x00\xff", "a", "3", "", "transform", ARROW, 12, ttl=30.0, key="k", traceparent="00-x"
    )
    assert 25 < delivery.expires - delivery.received <= 30


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"id": ""}, "id"),
        ({"id": "no name!"}, "id"),
        ({"reply_to": "no/name"}, "reply_to"),
        ({"ref": "a b"}, "ref"),
        ({"method": "__class__()"}, "method"),
        ({"ttl": "soon"}, "ttl"),
        ({"ttl": "99999999999999"}, "ttl"),
        ({"rows": "many"}, "rows"),
        ({"rows": "-1"}, "rows"),
        ({"key": "x" * 5000}, "key"),
    ],
    ids=str,
)
def test_an_invalid_request_comes_with_its_fault(
    engine: Engine, consumer: Consumer, fields: dict[str, str], says: str
) -> None:
    engine.write("iris", {"id": "a", "body": b"[[5.1]]", **fields})
    (delivery,) = receive(consumer)
    assert delivery.fault is not None
    assert delivery.fault.code is Code.INVALID_INPUT
    assert says in delivery.fault.message


def test_a_request_without_a_body_comes_with_its_fault(engine: Engine, consumer: Consumer) -> None:
    if engine.bodies:
        pytest.skip("there is no message without a body here")
    engine.write("iris", {"id": "a"})
    (delivery,) = receive(consumer)
    assert delivery.fault is not None
    assert "body" in delivery.fault.message


def test_a_version_not_known_is_told_by_its_fault(engine: Engine, consumer: Consumer) -> None:
    engine.write("iris", {"v": "99", "id": "a", "body": b""})
    (delivery,) = receive(consumer)
    assert delivery.fault is not None
    assert delivery.fault.code is Code.UNSUPPORTED_PROTOCOL


def test_a_faulty_request_is_answered_and_its_neighbours_are_none_the_worse(
    engine: Engine, broker: Broker, consumer: Consumer, inbox: Inbox
) -> None:
    send(broker, ask("before", reply_to=inbox.name))
    engine.write("iris", {"id": "a", "reply_to": inbox.name, "ttl": "soon", "body": b"[[5.1]]"})
    send(broker, ask("after", reply_to=inbox.name))
    before, faulty, after = receive(consumer)
    assert (before.fault, after.fault) == (None, None)
    assert faulty.fault is not None
    consumer.settle([answer(before), failure(faulty, faulty.fault.code, faulty.fault.message), answer(after)])
    assert [(result.id, result.status) for result in drain(inbox)] == [
        ("before", Code.OK),
        ("a", Code.INVALID_INPUT),
        ("after", Code.OK),
    ]
    consumer.close()
    assert nothing_is_left(broker)


def test_a_faulty_request_can_be_buried_and_shown(engine: Engine, broker: Broker, consumer: Consumer) -> None:
    engine.write("iris", {"id": "a", "rows": "many", "body": b"[[5.1]]"})
    consumer.bury([failure(delivery, Code.DEAD_LETTERED, "no") for delivery in receive(consumer)])
    (letter,) = broker.dead("iris").list()
    assert (letter.request.id, letter.request.body) == ("a", b"[[5.1]]")


def test_what_we_send_ourselves_is_judged_too(broker: Broker, consumer: Consumer) -> None:
    (delivery,) = hold(broker, consumer, ask("a", method="no name!"))
    assert delivery.fault is not None
    assert delivery.request.id == "a"
