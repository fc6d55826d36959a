"""An answer of the server that never reaches us: what it handed out must not be forgotten."""

import threading

import pytest
import redis
from contract.making import answer, ask, eventually, ids, receive, send
from servers import RedisServer

from predictq_broker import BrokerUnavailable, Capacity, connect


def test_what_was_handed_out_in_a_lost_answer_is_received_again_unharmed(redis_server: RedisServer) -> None:
    redis_server.flush()
    with connect(redis_server.url) as broker, redis.Redis(port=redis_server.port) as beside:
        consumer = broker.consumer("worker", lease=60.0)
        send(broker, ask("known"))
        (known,) = receive(consumer)
        reading = in_thread_expecting_a_cut(lambda: consumer.receive({"iris": Capacity(10)}, 30))
        eventually(lambda: beside.info("clients")["blocked_clients"] == 1)
        name = next(name for name in beside.hkeys("predictq:{iris}:requests:leases"))
        hand_out_unseen(beside, name, "ghost")
        beside.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        reading.join(10)
        again = receive(consumer)
        assert ids(again) == ["ghost"]
        assert [delivery.attempt for delivery in again] == [1]
        assert len(consumer.settle([answer(known), answer(again[0])])) == 2
        consumer.close()


def hand_out_unseen(beside: "redis.Redis", consumer: bytes, name: str) -> None:
    """Leave the state of an answer that was lost: pending for the consumer, which has not seen it."""
    stream = "predictq:{iris}:requests:low"
    pipeline = beside.pipeline(transaction=True)
    pipeline.xadd(stream, {"id": name, "body": "[[1]]"})
    pipeline.xreadgroup("workers", consumer, {stream: ">"})
    pipeline.execute()


def in_thread_expecting_a_cut(read: object) -> threading.Thread:
    def run() -> None:
        with pytest.raises(BrokerUnavailable):
            read()  # type: ignore[operator]  # a function of no arguments

    thread = threading.Thread(target=run)
    thread.start()
    return thread
