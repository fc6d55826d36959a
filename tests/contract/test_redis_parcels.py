"""On Redis: how parcels lie there, and what of them others may have spoiled."""

from typing import TYPE_CHECKING

import pytest
from contract.making import answer, ask, drain, failure, ids, nothing_is_left, receive, send
from contract.redis_alone import broker, raw

from predictq_broker import Verdict
from predictq_broker.messages import Code
from predictq_broker.port import Broker, Consumer

if TYPE_CHECKING:
    import redis

__all__ = ["broker", "raw"]

STREAM, PARCELS = "predictq:{iris}:requests:normal", "predictq:{iris}:requests:parcels"


def test_what_is_offered_together_lies_in_one_entry_is_known_in_one_line_and_is_answered_in_one_entry(
    broker: Broker, consumer: Consumer, raw: "redis.Redis"
) -> None:
    inbox = broker.inbox()
    inbox.expect("iris")
    requests = [ask(f"together-{n:03}", reply_to=inbox.name) for n in range(100)]
    assert set(broker.send(requests, first=True)) == {Verdict.ACCEPTED}
    assert raw.xlen(STREAM) == 2
    assert [raw.hlen(key) for key in raw.keys("*:id:*")] == [2]
    consumer.settle([answer(delivery) for delivery in receive(consumer, 100)])
    assert raw.xlen(f"predictq:{{iris}}:results:{inbox.name}") == 2
    assert len(drain(inbox)) == 100
    inbox.close()
    consumer.close()
    assert nothing_is_left(broker)
    assert raw.exists(PARCELS) == 0


def test_one_request_alone_and_large_ones_lie_as_they_always_did(broker: Broker, raw: "redis.Redis") -> None:
    broker.send([ask("alone")], first=True)
    broker.send([ask("large-1", body=b"x" * 5000), ask("large-2")], first=True)
    assert [fields[b"id"] for _, fields in raw.xrange(STREAM)] == [b"alone", b"large-1", b"large-2"]


def test_what_says_that_it_is_a_parcel_and_was_not_stored_as_one_is_a_request_without_an_id(
    consumer: Consumer, raw: "redis.Redis"
) -> None:
    raw.xadd(STREAM, {"parcel": 2, "ids": "a b", "sizes": "1 1", "bodies": "12"})
    raw.xadd(STREAM, {"id": "c", "body": "[[1]]"})
    odd, sound = receive(consumer)
    assert (odd.fault is not None, odd.request.id, sound.request.id) == (True, "", "c")
    assert len(consumer.bury([failure(odd, Code.DEAD_LETTERED, "no id")])) == 1
    assert len(consumer.settle([answer(sound)])) == 1
    assert raw.xlen(STREAM) == 0


@pytest.mark.parametrize(
    "spoiled",
    [
        {"parcel": 2, "ids": "a b", "sizes": "1 2", "bodies": "12"},
        {"parcel": 2, "ids": "a b", "sizes": "1", "bodies": "1"},
        {"parcel": 2, "ids": "a b", "sizes": "1 -1", "bodies": ""},
        {"parcel": 2, "ids": "a b", "sizes": "1 " + 5000 * "9", "bodies": "12"},
        {"parcel": 2, "ids": "a  b", "sizes": "1 1", "bodies": "12"},
        {"parcel": 2, "ids": "a b/c", "sizes": "1 1", "bodies": "12"},
        {"parcel": 2, "ids": "", "sizes": "", "bodies": ""},
        {"parcel": 2, "body": "x"},
    ],
    ids=lambda fields: " ".join(str(value)[:9] for value in fields.values()),
)
def test_a_spoiled_parcel_is_one_fault_and_harms_no_other(
    broker: Broker, consumer: Consumer, raw: "redis.Redis", spoiled: dict[str, object]
) -> None:
    entry = raw.xadd(STREAM, spoiled).decode()  # type: ignore[arg-type]  # redis-py wants a narrower dict
    raw.hset(PARCELS, mapping={f"2:{entry}": 2, "more": 1})
    send(broker, ask("sound"))
    odd, sound = receive(consumer)
    assert odd.fault is not None
    assert len(consumer.bury([failure(odd, Code.DEAD_LETTERED, odd.fault.message)])) == 1
    assert len(consumer.settle([answer(sound)])) == 1
    (letter,) = broker.dead("iris").list()
    assert letter.reason == odd.fault.message
    broker.dead("iris").purge()
    consumer.close()
    assert nothing_is_left(broker)


def test_streams_that_somebody_emptied_leave_no_count_behind(broker: Broker, raw: "redis.Redis") -> None:
    broker.send([ask("first-1"), ask("first-2")], first=True)
    raw.delete(STREAM)
    send(broker, ask("second"))
    assert broker.stats("iris").queued == 1


def test_results_that_are_no_parcel_though_they_say_so_stop_no_reader(broker: Broker, raw: "redis.Redis") -> None:
    inbox = broker.inbox()
    inbox.expect("iris")
    key = f"predictq:{{iris}}:results:{inbox.name}"
    raw.xadd(key, {"parcel": 2, "ids": "a b", "sizes": "9 9", "bodies": "1"})
    raw.xadd(key, {"id": "c", "body": "[0]", "status": "ok"})
    assert ids(drain(inbox)) == ["c"]
    inbox.close()


def test_answers_of_one_call_are_published_in_its_order_whether_their_requests_came_together_or_alone(
    broker: Broker, consumer: Consumer, raw: "redis.Redis"
) -> None:
    broker.send([ask("pair-1", reply_to="q"), ask("pair-2", reply_to="q")], first=True)
    send(broker, ask("alone", reply_to="q"))
    first, second, alone = receive(consumer)
    consumer.settle([answer(first), answer(alone), answer(second)])
    entries = raw.xrange("predictq:{iris}:results:q")
    assert [fields[b"id"] for _, fields in entries] == [b"pair-1", b"alone", b"pair-2"]


def test_they_are_in_order_though_the_server_knows_only_one_of_the_scripts(
    broker: Broker, consumer: Consumer, raw: "redis.Redis"
) -> None:
    broker.send([ask("pair-1", reply_to="q"), ask("pair-2", reply_to="q")], first=True)
    send(broker, ask("alone-1", reply_to="q"), ask("alone-2", reply_to="q"))
    first, second, *alone = receive(consumer)
    raw.script_flush()
    consumer.settle([answer(alone[0])])
    consumer.settle([answer(first), answer(alone[1]), answer(second)])
    entries = raw.xrange("predictq:{iris}:results:q")
    assert [fields[b"id"] for _, fields in entries] == [b"alone-1", b"pair-1", b"alone-2", b"pair-2"]
