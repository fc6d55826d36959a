"""What is special about RabbitMQ: batches are batches, its connections are the lease, and its own kinds of trouble."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import amqp
import pytest
from contract.making import (
    answer,
    ask,
    drain,
    eventually,
    hold,
    ids,
    in_background,
    let_pass,
    nothing_is_left,
    receive,
    send,
)
from contract.rabbitmq_alone import broker, url
from rabbitmq import RabbitServer

from predictq_broker import connect
from predictq_broker.errors import BrokerFull, BrokerRefused, BrokerUnavailable, UnsupportedBroker
from predictq_broker.kombu.amqp import Address, AmqpLink
from predictq_broker.kombu.link import Fate, Letter
from predictq_broker.kombu.queues import Queue
from predictq_broker.messages import Code, Delivery, Result
from predictq_broker.port import Broker, Capacity, Consumer, Inbox

__all__ = ["broker", "url"]

NORMAL = "predictq.requests.iris.normal"


@contextlib.contextmanager
def channel_of(url: str) -> Iterator[Any]:
    """A channel of a program that is not ours."""
    place, _, vhost = url.rpartition("@")[2].partition("/")
    with amqp.Connection(place, virtual_host=vhost) as connection:
        yield connection.channel()


def links(consumer: Any) -> tuple[Any, Any]:
    """The connections of py-amqp under a consumer: where it reads and where it writes."""
    generation = consumer._generation
    return generation.reading._connection, generation.writing._connection


def cut(server: RabbitServer, url: str) -> None:
    """End all connections to a virtual host, from the server's side."""
    ours = url.rpartition("/")[2]

    def all_gone() -> bool:
        found = [one["name"] for one in server.api("GET", "connections") if one.get("vhost") == ours]
        server.ctl("close_all_connections", "--vhost", ours, "the test wants it so")
        return not found

    server.ctl("close_all_connections", "--vhost", ours, "the test wants it so")
    eventually(all_gone)


def test_five_hundred_waiting_requests_are_read_and_settled_with_a_few_frames_of_ours(
    broker: Broker, consumer: Consumer, inbox: Inbox
) -> None:
    hold_one = hold(broker, consumer, ask("first", reply_to=inbox.name))
    consumer.settle([answer(hold_one[0])])
    send(broker, *[ask(reply_to=inbox.name) for _ in range(500)])
    reading, _ = links(consumer)
    before = reading.bytes_sent
    deliveries = receive(consumer, 500)
    assert len(deliveries) == 500
    assert reading.bytes_sent - before < 60  # py-amqp counts frames, not bytes
    before = reading.bytes_sent
    assert len(consumer.settle([answer(delivery) for delivery in deliveries])) == 500
    assert reading.bytes_sent - before == 1
    assert len(drain(inbox)) == 501


def test_what_is_settled_out_of_order_is_settled_all_the_same(broker: Broker, consumer: Consumer, inbox: Inbox) -> None:
    held = hold(broker, consumer, *[ask(name, reply_to=inbox.name) for name in "abcdef"])
    assert len(consumer.settle([answer(held[n]) for n in (1, 3, 4)])) == 3
    assert len(consumer.settle([answer(held[n]) for n in (0, 2, 5)])) == 3
    assert sorted(ids(drain(inbox))) == list("abcdef")
    consumer.close()
    assert nothing_is_left(broker)


def test_when_one_connection_breaks_the_other_counts_for_nothing(
    broker: Broker, consumer: Consumer, inbox: Inbox
) -> None:
    held = hold(broker, consumer, ask("a", reply_to=inbox.name), ask("b", reply_to=inbox.name))
    _, writing = links(consumer)
    writing.sock.shutdown(2)
    assert list(consumer.settle([answer(delivery) for delivery in held])) == []
    assert consumer.renew() == 2
    again = receive(consumer)
    assert [(delivery.request.id, delivery.attempt) for delivery in again] == [("a", 2), ("b", 2)]
    assert list(consumer.settle([answer(delivery, b"late") for delivery in held])) == []
    assert len(consumer.settle([answer(delivery) for delivery in again])) == 2
    assert [result.body for result in drain(inbox)] == [b"[0]", b"[0]"]


def test_when_the_server_ends_the_connections_work_goes_on_with_one_attempt_more(
    rabbitmq_server: RabbitServer, url: str, broker: Broker, consumer: Consumer
) -> None:
    hold(broker, consumer, ask("a"))
    cut(rabbitmq_server, url)
    assert [(d.request.id, d.attempt) for d in eventually(lambda: receive(consumer))] == [("a", 2)]
    assert consumer.renew() == 1
    send(broker, ask("b"))  # its connection was cut too


ZOMBIE = """
import sys
from predictq_broker import Capacity, Code, Outcome, Result, connect
url, reply_to = sys.argv[1:]
broker = connect(url)
consumer = broker.consumer("zombie", lease=5.0)
held = consumer.receive({"iris": Capacity(5)}, 10)
print(len(held), flush=True)
sys.stdin.readline()
outcomes = [Outcome(d, Result(d.request.id, Code.OK, b"zombie", "iris")) for d in held]
print(len(consumer.settle(outcomes)), consumer.renew(), flush=True)
"""


def test_a_process_that_was_stopped_for_longer_than_its_lease_answers_nothing(
    url: str, broker: Broker, consumer: Consumer
) -> None:
    reader = broker.subscription("answers")
    send(broker, ask("a", reply_to="answers"))
    command = [sys.executable, "-c", ZOMBIE, url, "answers"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as zombie:
        assert zombie.stdin is not None
        assert zombie.stdout is not None
        assert zombie.stdout.readline() == "1\n"
        os.kill(zombie.pid, signal.SIGSTOP)

        def taken_over() -> Any:
            consumer.renew()
            return receive(consumer)

        (delivery,) = eventually(taken_over, timeout=20)
        assert delivery.attempt == 2
        os.kill(zombie.pid, signal.SIGCONT)
        zombie.stdin.write("\n")
        zombie.stdin.flush()
        assert zombie.stdout.readline() == "0 1\n"
    assert len(consumer.settle([answer(delivery)])) == 1
    assert [found.result.body for found in reader.receive(10, 1)] == [b"[0]"]
    reader.close()


def test_renewing_keeps_a_lease_that_silence_loses(broker: Broker) -> None:
    loud, silent = broker.consumer("loud", lease=1.0), broker.consumer("silent", lease=1.0)
    hold(broker, loud, ask("a"))
    hold(broker, silent, ask("b", model="digits"))

    def silent_lost() -> bool:
        assert loud.renew() == 0
        return broker.stats("digits").queued == 1

    eventually(silent_lost, timeout=20)
    assert broker.stats("iris").queued == 0
    loud.close()
    silent.close()


def test_a_queue_that_is_removed_is_made_again_by_whoever_uses_it(url: str, broker: Broker, consumer: Consumer) -> None:
    hold(broker, consumer, ask("a"))
    with channel_of(url) as channel:
        channel.queue_delete(NORMAL)

        def received() -> list[str]:
            with contextlib.suppress(BrokerUnavailable):  # reading a queue that is half removed breaks their side
                return ids(receive(consumer, wait=1))
            return []

        waiting = in_background(lambda: eventually(received))
        send(broker, ask("b"))
        assert waiting.result() == ["b"]


def test_queues_made_by_somebody_else_are_used_as_they_are(url: str, broker: Broker, consumer: Consumer) -> None:
    with channel_of(url) as channel:
        channel.queue_declare(NORMAL, durable=True, auto_delete=False, arguments={"x-max-length": 7})
        assert ids(hold(broker, consumer, ask("a"))) == ["a"]


def test_with_an_alarm_sends_and_answers_are_refused_in_time_and_nothing_is_lost(
    rabbitmq_server: RabbitServer, broker: Broker, consumer: Consumer, inbox: Inbox
) -> None:
    (delivery,) = hold(broker, consumer, ask("a", reply_to=inbox.name))
    rabbitmq_server.ctl("set_vm_memory_high_watermark", "0.00001")
    try:
        with pytest.raises(BrokerFull, match="alarm"):
            consumer.settle([answer(delivery)])
        with pytest.raises(BrokerFull, match="alarm"):
            broker.send([ask("b")])
        assert consumer.renew() == 0
        assert broker.stats("iris").queued == 0
    finally:
        rabbitmq_server.ctl("set_vm_memory_high_watermark", "0.4")

    def settled() -> bool:
        try:
            return len(consumer.settle([answer(delivery)])) == 1
        except BrokerFull:
            return False

    eventually(settled)
    assert ids(inbox.receive(5)) == ["a"]


def test_an_answer_that_comes_again_is_handed_out_once(
    url: str, broker: Broker, consumer: Consumer, inbox: Inbox
) -> None:
    (delivery,) = hold(broker, consumer, ask("a", reply_to=inbox.name))
    consumer.settle([answer(delivery)])
    with channel_of(url) as channel:
        headers = {"id": "a", "status": "ok", "model": "iris"}
        channel.basic_publish(
            amqp.Message(b"again", application_headers=headers), routing_key=f"predictq.results.{inbox.name}"
        )
    assert [result.body for result in [*inbox.receive(5), *inbox.receive(0.2)]] == [b"[0]"]


def test_amqps_own_properties_stand_in_for_headers(url: str, consumer: Consumer) -> None:
    receive(consumer)
    with channel_of(url) as channel:
        message = amqp.Message(b"[[1]]", correlation_id="a", reply_to="answers", content_type="application/json")
        channel.basic_publish(message, routing_key=NORMAL)
        (delivery,) = receive(consumer, wait=5)
        assert (delivery.request.id, delivery.request.reply_to, delivery.fault) == ("a", "answers", None)
        consumer.settle([answer(delivery)])
        reply = eventually(lambda: channel.basic_get("predictq.results.answers"))
        assert (reply.headers["model"], reply.headers["id"], reply.properties["correlation_id"]) == ("iris", "a", "a")


@pytest.mark.parametrize(
    "headers",
    [
        {"id": 7},
        {"id": True, "ttl": 1.5},
        {"id": {"a": [1, {"b": None}]}},
        {"id": "a", "rows": b"\xff\xfe", "x-death": [{"count": 1}]},
        {"id": "a", "sent_at": "-1", "attempt": "many", "priority": "urgent"},
        {"id": "a", "body": "no", "compression": "application/x-gzip"},
    ],
    ids=str,
)
def test_headers_of_any_type_break_nothing(url: str, consumer: Consumer, headers: dict[str, Any]) -> None:
    receive(consumer)
    with channel_of(url) as channel:
        channel.basic_publish(amqp.Message(b"[[1]]", application_headers=headers), routing_key=NORMAL)
        (delivery,) = receive(consumer, wait=5)
        assert delivery.request.body == b"[[1]]"
        consumer.release([delivery])
        assert len(receive(consumer, wait=5)) == 1


def test_accepted_requests_survive_the_death_of_the_server(tmp_path: Path) -> None:
    with RabbitServer(tmp_path) as server, connect(server.url) as broker:
        send(broker, *[ask(f"r{n}") for n in range(100)])
        consumer = broker.consumer("worker")
        held = receive(consumer, 40)
        let_pass(2)  # RabbitMQ 3.10: a quorum queue made in the moment of the crash may never find a leader again
        server.kill()
        with pytest.raises(BrokerUnavailable):
            broker.send([ask("late")])
        server.start()
        assert consumer.renew() == 40
        again: list[Delivery] = []

        def all_again() -> bool:
            with contextlib.suppress(BrokerUnavailable):  # the server's queues are up some time after the server
                again.extend(receive(consumer, 100, wait=1))
            return len(again) >= 100

        eventually(all_again, timeout=50)
        assert sorted(ids(again)) == sorted(f"r{n}" for n in range(100))
        assert list(consumer.settle([answer(delivery) for delivery in held])) == []
        assert len(consumer.settle([answer(delivery) for delivery in again])) == 100
        send(broker, ask("more"))
        consumer.close()


@pytest.mark.parametrize(
    ("change", "says"),
    [(("guest:guest", "guest:secret-word"), "password"), (("@127.0.0.1", "@127.0.0.1"), "virtual host")],
)
def test_a_login_or_virtual_host_that_is_wrong_is_refused(
    rabbitmq_server: RabbitServer, change: tuple[str, str], says: str
) -> None:
    url = rabbitmq_server.url.replace(*change) + ("nowhere" if says == "virtual host" else "")
    with connect(url) as broker, pytest.raises(BrokerRefused, match=says) as caught:
        broker.send([ask("a")])
    assert "secret-word" not in str(caught.value)


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with connect("amqp://127.0.0.1:1/") as broker, pytest.raises(BrokerUnavailable):
        broker.send([ask("a")])


def test_an_option_that_is_not_known_is_refused() -> None:
    with pytest.raises(UnsupportedBroker, match="heartbeat"):
        connect("amqp://localhost/?heartbeat=3")


def test_a_body_larger_than_a_frame_travels_both_ways(broker: Broker, consumer: Consumer, inbox: Inbox) -> None:
    body = os.urandom(700_000)
    (delivery,) = hold(broker, consumer, ask("a", body=body, reply_to=inbox.name))
    assert delivery.request.body == body
    consumer.settle([answer(delivery, body)])
    assert inbox.receive(5) == [Result("a", Code.OK, body, "iris", 3, "sha256:abc")]


def test_what_nobody_asks_for_any_more_is_left_to_others(
    broker: Broker, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("predictq_broker.kombu.intake._UNWANTED", 0.0)
    send(broker, *[ask(name) for name in "abc"])
    assert ids(consumer.receive({"iris": Capacity(3, rows=1)}, 0)) == ["a"]
    consumer.receive({"digits": Capacity(1)}, 0.01)
    other = broker.consumer("other")
    assert [(d.request.id, d.attempt) for d in receive(other, wait=1)] == [("b", 1), ("c", 1)]
    other.close()


def test_a_result_stays_however_often_its_readers_die(url: str, broker: Broker, consumer: Consumer) -> None:
    (delivery,) = hold(broker, consumer, ask("a", reply_to="answers"))
    consumer.settle([answer(delivery)])
    for _ in range(25):  # RabbitMQ 4 drops after 20 what has no limit of its own
        with channel_of(url) as channel:
            eventually(lambda c=channel: c.basic_get("predictq.results.answers"))  # type: ignore[misc]  # bound now
            channel.connection.collect()
    subscription = broker.subscription("answers")
    try:
        (result,) = eventually(lambda: subscription.receive(1, 1.0))
        assert result.result.id == "a"
    finally:
        subscription.close()


def test_an_alarm_that_ends_while_we_publish_leaves_nothing_that_counts_as_stored(url: str) -> None:
    class Unblocked(AmqpLink):
        """Blocked when it is asked whether it may write, and no more when it is asked again."""

        looks = 0

        @property
        def _blocked(self) -> bool:
            self.looks += 1
            return self.looks == 3

        @_blocked.setter
        def _blocked(self, value: bool) -> None:
            pass

    link = Unblocked(Address.of(url))
    queue = Queue("predictq.results.answers", {"x-queue-type": "classic"})
    letters = [Letter(queue.name, {}, b"body", "a")]
    link.declare(queue)
    assert link.publish(letters) == [Fate.STORED]
    link.looks = 2
    with pytest.raises(BrokerFull):
        link.publish(letters)
    assert link.publish(letters) == [Fate.STORED]
    assert eventually(lambda: link.count(queue.name) == (2, 0))
    link.close()
