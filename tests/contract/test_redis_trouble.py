"""A Redis in trouble: full, handed over, cut off, or with something in it that nobody of ours put there."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from contract.making import (
    answer,
    ask,
    drain,
    eventually,
    failure,
    hold,
    ids,
    in_background,
    let_pass,
    nothing_is_left,
    receive,
    send,
)
from contract.redis_alone import broker, raw
from servers import RedisServer, free_port

from predictq_broker import BrokerFull, BrokerRefused, BrokerUnavailable, Capacity, Code, Limits, connect
from predictq_broker.port import Broker, Consumer, Inbox
from predictq_broker.redis.consumer import RedisConsumer
from predictq_broker.redis.scripts import Call, Script, source
from predictq_broker.redis.watch import Queue, Watch

__all__ = ["broker", "raw"]

LEASE = 0.2


# ── a server without room ──


@pytest.fixture
def small(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path, options=("--maxmemory", "8mb", "--maxmemory-policy", "noeviction")) as server:
        yield server


def fill(broker: Broker, **headers: Any) -> int:
    """Send until the server has no more room; how many it took."""
    for taken in range(1000):
        try:
            broker.send([ask(body=b"x" * 50_000, **headers)])
        except BrokerFull:
            return taken
    pytest.fail("this server is never full")


def test_a_full_server_says_that_it_is_full_and_is_drained_by_whoever_comes(small: RedisServer) -> None:
    with connect(small.url) as broker, connect(small.url) as beside:
        inbox = broker.inbox()
        inbox.expect("iris")
        taken = fill(broker, reply_to=inbox.name)
        assert taken > 0
        consumer = beside.consumer("new")  # it says which models it reads, and there is no room for that
        for _ in range(taken):
            (delivery,) = receive(consumer, 1)
            assert len(consumer.settle([answer(delivery)])) == 1
        assert len(drain(inbox)) == taken
        send(broker, ask())
        consumer.close()
        inbox.close()


# ── a server that hands over ──


def test_a_replica_is_waited_for_until_it_is_made_the_primary(tmp_path: Path) -> None:
    alone = ("--replicaof", "127.0.0.1", str(free_port()))  # of a primary that is gone
    with (
        RedisServer(tmp_path, options=alone) as server,
        connect(server.url) as broker,
        redis.Redis(port=server.port) as raw,
    ):
        with pytest.raises(BrokerUnavailable):
            broker.send([ask("a")])
        raw.execute_command("REPLICAOF", "NO", "ONE")
        send(broker, ask("a"))


def test_what_was_settled_on_a_server_whose_successor_does_not_know_it_is_answered_again(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server, connect(server.url) as broker:
        inbox, consumer = broker.inbox(), broker.consumer("worker", lease=60.0)
        inbox.expect("iris")
        deliveries = hold(broker, consumer, ask("a", reply_to=inbox.name), ask("b", reply_to=inbox.name))
        with server.client() as client:
            client.save()  # what a replica knows that has fallen behind
        consumer.settle([answer(deliveries[0])])
        assert ids(drain(inbox)) == ["a"]
        server.kill()
        server.start()
        again = eventually(lambda: receive(consumer))  # the first read after it finds the connection broken
        assert [(delivery.request.id, delivery.attempt) for delivery in again] == [("a", 1)]
        assert len(consumer.settle([answer(again[0]), answer(deliveries[1])])) == 2
        assert ids(drain(inbox)) == ["a", "b"]
        consumer.close()
        inbox.close()
        assert nothing_is_left(broker)


# ── answers that are lost ──


def lose_next_answer(consumer: Consumer, model: str) -> None:
    """The server hands out what the next read of `model` asks for, and the connection breaks before we hear of it."""
    assert isinstance(consumer, RedisConsumer)
    leased, real = consumer._leased, consumer._leased._scripts

    class CutOff(Script):
        def or_again(self, reply: Any, call: Call) -> Any:
            if f"{{{model}}}" not in call.keys[0]:
                return super().or_again(reply, call)
            leased._scripts = real
            raise redis.ConnectionError("cut off")

    leased._scripts = real._replace(receive=CutOff(consumer._where, source("receive")))


@pytest.mark.parametrize("cut", ["first", "second"])
def test_what_the_very_first_read_handed_out_in_a_lost_answer_comes_unharmed(broker: Broker, cut: str) -> None:
    send(broker, ask("a", model="first"))
    send(broker, ask("b", model="second"))
    wants = {"first": Capacity(10), "second": Capacity(10)}
    consumer = broker.consumer("worker", lease=60.0)
    lose_next_answer(consumer, cut)
    with pytest.raises(BrokerUnavailable):
        consumer.receive(wants, 0)
    again = consumer.receive(wants, 0)
    assert [(delivery.request.id, delivery.attempt) for delivery in again] == [("a", 1), ("b", 1)]
    assert len(consumer.settle([answer(delivery) for delivery in again])) == 2
    consumer.close()


# ── who is alive ──

STILL = Queue(("stream",), "leases")


def late_looks(watch: Watch, *beats: str) -> list[list[tuple[str, str]]]:
    """What each look finds; every one comes later than a whole lease of 20 ms."""
    found = []
    for beat in beats:
        found.append(watch.still(STILL, {"worker.1f.20": beat}))
        let_pass(0.025)
    return found


def test_one_late_look_proves_nothing_and_two_are_enough() -> None:
    assert late_looks(Watch(0.02), "7", "7", "7") == [[], [], [("worker.1f.20", "7")]]


def test_a_heart_that_beats_between_late_looks_is_alive() -> None:
    assert late_looks(Watch(0.02), "7", "7", "8", "8", "9") == [[]] * 5


def test_a_request_read_by_one_who_is_fenced_while_it_sleeps_is_answered_all_the_same(
    broker: Broker, inbox: Inbox, raw: "redis.Redis"
) -> None:
    sleeper, other = broker.consumer("sleeper", LEASE), broker.consumer("other", LEASE)
    receive(other)
    sleeping = in_background(lambda: receive(sleeper, wait=0.9))
    eventually(lambda: raw.info("clients")["blocked_clients"] == 1)
    fenced = next(name for name in raw.hkeys("predictq:{iris}:requests:leases") if name.startswith(b"sleeper"))
    eventually(lambda: other.renew() + other.reclaim() or raw.hget("predictq:{iris}:requests:leases", fenced) != b"0")
    sleeper.renew()
    send(broker, ask("a", reply_to=inbox.name))
    sleeper.settle([answer(delivery) for delivery in sleeping.result()])

    def answered() -> bool:
        for consumer in (sleeper, other):
            consumer.renew()
            consumer.reclaim()
            consumer.settle([answer(delivery) for delivery in receive(consumer)])
        return broker.stats("iris")[:2] == (0, 0)

    eventually(answered)
    assert ids(drain(inbox)) == ["a"]
    sleeper.close()
    other.close()


# ── what nobody of ours wrote ──


def test_a_message_of_thousands_of_fields_is_buried_like_any_other(
    broker: Broker, consumer: Consumer, inbox: Inbox, raw: "redis.Redis"
) -> None:
    junk = [word for n in range(4500) for word in (f"f{n}", "v")]
    fields = ("id", "huge", "reply_to", inbox.name, "body", "[[1]]")
    raw.execute_command("XADD", "predictq:{iris}:requests:normal", "*", *junk, *fields)
    (huge,) = receive(consumer)
    assert len(consumer.bury([failure(huge, Code.DEAD_LETTERED, "too much")])) == 1
    assert [result.status for result in drain(inbox)] == [Code.DEAD_LETTERED]
    (letter,) = broker.dead("iris").list()
    assert (letter.request.id, letter.request.body, letter.reason) == ("huge", b"[[1]]", "too much")
    assert broker.stats("iris")[:2] == (0, 0)


def test_a_result_queue_that_is_no_stream_harms_only_its_own_results(
    broker: Broker, consumer: Consumer, inbox: Inbox, raw: "redis.Redis"
) -> None:
    raw.set("predictq:{iris}:results:broken", "no stream")
    send(broker, ask("a", reply_to=inbox.name))
    raw.xadd("predictq:{iris}:requests:normal", {"id": "b", "reply_to": "broken", "body": "[[1]]"})
    send(broker, ask("c", reply_to=inbox.name))
    assert len(consumer.settle([answer(delivery) for delivery in receive(consumer)])) == 3
    assert ids(drain(inbox)) == ["a", "c"]
    consumer.close()
    assert nothing_is_left(broker)


def test_a_queue_that_is_no_stream_harms_only_its_own_model(
    broker: Broker, consumer: Consumer, raw: "redis.Redis"
) -> None:
    raw.lpush("predictq:{broken}:requests:normal", "no stream")
    wants = {"broken": Capacity(10), "iris": Capacity(10)}
    assert list(consumer.receive(wants, 0.01)) == []
    (held,) = hold(broker, consumer, ask("a"))
    send(broker, ask("b"))
    (more,) = consumer.receive(wants, 0.01)
    assert len(consumer.settle([answer(held), answer(more)])) == 2
    with pytest.raises(BrokerRefused, match="WRONGTYPE"):
        receive(consumer, model="broken")


def test_a_model_whose_name_is_no_text_is_passed_over(broker: Broker, raw: "redis.Redis") -> None:
    send(broker, ask())
    raw.sadd("predictq:models", b"\xff\xfe")
    assert list(broker.models()) == ["iris"]
    subscription = broker.subscription("nightly")
    assert list(subscription.receive(10, 0)) == []
    subscription.close()


def test_a_clock_that_was_set_back_gives_no_request_more_than_its_time(
    broker: Broker, consumer: Consumer, raw: "redis.Redis"
) -> None:
    ahead = f"{round((time.time() + 3600) * 1000)}-0"
    raw.xadd("predictq:{iris}:requests:normal", {"id": "early", "body": "[[1]]"}, id=ahead)
    send(broker, ask("late", ttl=2.0))
    late = receive(consumer)[-1]
    assert late.request.id == "late"
    assert 0 < late.expires - late.received <= 2.0
    assert late.queued == 0.0


def test_without_a_window_of_deduplication_the_same_id_is_accepted_again(redis_server: RedisServer) -> None:
    redis_server.flush()
    with connect(redis_server.url, Limits(dedup=0)) as broker:
        send(broker, ask("a"))
        send(broker, ask("a"))
        assert broker.stats("iris").queued == 2


def test_a_connection_that_the_server_closed_while_it_was_idle_is_made_anew(broker: Broker, raw: "redis.Redis") -> None:
    send(broker, ask("a"))
    consumer = broker.consumer("worker")
    assert ids(receive(consumer)) == ["a"]
    raw.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    send(broker, ask("b"))
    assert ids(receive(consumer)) == ["b"]
    consumer.close()


# ── many queues ──


def test_of_many_queues_one_that_is_removed_holds_up_none_and_is_made_anew(broker: Broker, raw: "redis.Redis") -> None:
    consumer = broker.consumer("worker", lease=60.0)
    models = [f"model-{number:02}" for number in range(40)]
    wants = dict.fromkeys(models, Capacity(10))
    assert list(consumer.receive(wants, 0)) == []
    raw.delete(*raw.scan_iter(match="predictq:{model-07}:*"))
    for model in models:
        send(broker, ask(model, model=model))
    found: list[str] = []
    eventually(lambda: len(found.__iadd__(ids(consumer.receive(wants, 0.05)))) == len(models))
    assert sorted(found) == models
    consumer.close()


def test_of_many_queues_one_that_is_something_else_holds_up_none(broker: Broker, raw: "redis.Redis") -> None:
    consumer = broker.consumer("worker", lease=60.0)
    models = [f"model-{number:02}" for number in range(40)]
    wants = dict.fromkeys(models, Capacity(10))
    raw.set("predictq:{model-07}:requests:normal", "a text")
    for model in (model for model in models if model != "model-07"):
        send(broker, ask(model, model=model))
    found: list[str] = []
    eventually(lambda: len(found.__iadd__(ids(consumer.receive(wants, 0.05)))) == len(models) - 1)
    assert "model-07" not in found
    consumer.close()
