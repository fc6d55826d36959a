"""On Redis: what is stored together is still counted, settled and forgotten one by one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from contract.making import answer, ask, drain, eventually, hold, ids, send
from contract.redis_alone import raw
from servers import RedisServer

from predictq_broker import Limits, Verdict, connect
from predictq_broker.port import Broker

if TYPE_CHECKING:
    import redis

__all__ = ["raw"]


@pytest.fixture
def broker(redis_server: RedisServer) -> Iterator[Broker]:
    redis_server.flush()
    with connect(redis_server.url, Limits(unread_results=4)) as broker:
        yield broker


def test_the_answers_of_a_batch_reach_an_inbox_in_one_entry_and_count_one_by_one(
    broker: Broker, raw: "redis.Redis"
) -> None:
    inbox, consumer = broker.inbox(), broker.consumer("worker", lease=60.0)
    inbox.expect("iris")
    for time in range(3):
        names = [f"{name}{time}" for name in "abcd"]
        held = hold(broker, consumer, *(ask(name, reply_to=inbox.name) for name in names))
        assert len(consumer.settle([answer(delivery) for delivery in held])) == 4
        assert raw.xlen(f"predictq:{{iris}}:results:{inbox.name}") == 1
        assert list(broker.send([ask("e", reply_to=inbox.name)])) == [Verdict.RESULTS_FULL]
        assert ids(drain(inbox)) == names
    for name in ("e", "f", "g"):
        consumer.settle([answer(delivery) for delivery in hold(broker, consumer, ask(name, reply_to=inbox.name))])
    send(broker, ask("h", reply_to=inbox.name))
    consumer.close()
    inbox.close()
    assert raw.keys("*results*") == []


def test_a_durable_queue_gets_an_entry_for_each_answer(broker: Broker, raw: "redis.Redis") -> None:
    consumer = broker.consumer("worker", lease=60.0)
    held = hold(broker, consumer, *(ask(name, reply_to="q") for name in ("a", "b", "c")))
    consumer.settle([answer(delivery) for delivery in held])
    assert [fields[b"id"] for _, fields in raw.xrange("predictq:{iris}:results:q")] == [b"a", b"b", b"c"]
    consumer.close()


def test_of_answers_that_were_settled_in_part_only_the_others_are_settled(broker: Broker, raw: "redis.Redis") -> None:
    consumer = broker.consumer("worker", lease=60.0)
    held = hold(broker, consumer, *(ask(name, reply_to="q") for name in ("a", "b", "c")))
    (gone, _), *_ = raw.xrange("predictq:{iris}:requests:normal", count=1)
    raw.xack("predictq:{iris}:requests:normal", "workers", gone)
    raw.xdel("predictq:{iris}:requests:normal", gone)
    settled = consumer.settle([answer(delivery) for delivery in held])
    assert [outcome.result.id for outcome in settled] == ["b", "c"]
    assert [fields[b"id"] for _, fields in raw.xrange("predictq:{iris}:results:q")] == [b"b", b"c"]
    consumer.close()


def test_an_id_is_forgotten_when_its_time_has_come_though_others_keep_its_record_alive(
    redis_server: RedisServer, raw: "redis.Redis"
) -> None:
    redis_server.flush()
    with connect(redis_server.url, Limits(dedup=0.3)) as brief, connect(redis_server.url) as long:
        send(brief, ask("record-001"))
        send(long, ask("record-002"))
        eventually(lambda: list(brief.send([ask("record-001")])) == [Verdict.ACCEPTED])
        assert list(brief.send([ask("record-002")])) == [Verdict.DUPLICATE]
    assert raw.keys("*:id:*") == [b"predictq:{iris}:id:record-"]
