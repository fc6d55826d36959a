"""A quorum queue that nobody leads, as after a crash or when too few nodes are up: others must not suffer from it."""

from contextlib import closing

import pytest
from contract.making import answer, ask, eventually, hold, ids, receive, send
from contract.rabbitmq_alone import broker, url
from rabbitmq import RabbitServer

from predictq_broker.kombu.link import Link
from predictq_broker.kombu.queues import Queues
from predictq_broker.kombu.scout import Lane, Scout
from predictq_broker.kombu.server import RabbitMq
from predictq_broker.messages import Delivery
from predictq_broker.port import Broker, Capacity, Consumer, Limits

__all__ = ["broker", "url"]

BOTH = {"iris": Capacity(10), "digits": Capacity(10)}


class Leader:
    """Who leads the queue of one model and priority, in a virtual host. On a single node there is no other."""

    def __init__(self, server: RabbitServer, url: str, queue: str) -> None:
        self._server = server
        self._name = f"'{url.rpartition('/')[2]}_{queue}'"

    def stop(self) -> None:
        """From now on the server has an error for whoever wants to read."""
        self._server.ctl("eval", f"ok = ra:stop_server(quorum_queues, {{{self._name}, node()}}).")

    def start(self) -> None:
        """After `stop`."""
        self._server.ctl("eval", f"ok = ra:restart_server(quorum_queues, {{{self._name}, node()}}).")

    def suspend(self) -> None:
        """From now on the server does not answer whoever wants to read."""
        self._server.ctl("eval", f"sys:suspend(whereis({self._name})).")

    def resume(self) -> None:
        """After `suspend`."""
        self._server.ctl("eval", f"sys:resume(whereis({self._name})).")


@pytest.fixture
def leader(rabbitmq_server: RabbitServer, url: str, broker: Broker) -> Leader:
    """Of the queue for `iris`, in which `lost` waits."""
    send(broker, ask("lost"))
    return Leader(rabbitmq_server, url, "predictq.requests.iris.normal")


def both(consumer: Consumer, wait: float) -> list[Delivery]:
    consumer.renew()
    return list(consumer.receive(BOTH, wait))


@pytest.mark.parametrize("ends", ["stop", "suspend"])
def test_a_queue_without_a_leader_costs_nothing_of_what_is_held_and_stops_no_other(
    broker: Broker, consumer: Consumer, leader: Leader, ends: str, caplog: pytest.LogCaptureFixture
) -> None:
    held = hold(broker, consumer, ask("held", model="digits"))
    getattr(leader, ends)()
    try:
        send(broker, ask("next", model="digits"))
        (found,) = eventually(lambda: both(consumer, 1), timeout=20)
        both(consumer, 0.5)
        both(consumer, 0.5)
        assert (found.request.id, found.attempt) == ("next", 1)
        assert consumer.renew() == 0
        assert len(consumer.settle([answer(delivery) for delivery in [*held, found]])) == 2
        assert caplog.text.count("a queue cannot be read now") == 1
    finally:
        leader.start() if ends == "stop" else leader.resume()
    assert [(d.request.id, d.attempt) for d in eventually(lambda: both(consumer, 1), timeout=30)] == [("lost", 1)]


def test_a_queue_that_loses_its_leader_while_it_is_read_costs_nothing_when_more_is_wanted(
    broker: Broker, consumer: Consumer, leader: Leader
) -> None:
    held = receive(consumer, 1)
    assert ids(held) == ["lost"]
    leader.stop()
    try:
        assert receive(consumer, 500, wait=0.2) == []
        assert consumer.renew() == 0
    finally:
        leader.start()
    send(broker, ask("b"))
    again = eventually(lambda: receive(consumer, 500, wait=1), timeout=30)
    assert consumer.renew() == 0
    assert [(d.request.id, d.attempt) for d in again] == [("b", 1)]


def test_a_request_that_comes_while_its_queue_is_tried_out_has_been_tried_by_nobody(
    url: str, broker: Broker, consumer: Consumer
) -> None:
    links = RabbitMq(url).links

    def connect_late() -> Link:
        send(broker, ask("a"))
        return links.plain()

    with closing(links.plain()) as link:
        scout = Scout(connect_late, Queues(Limits()))
        scout.start_over(link)
        scout.again(Lane("iris", "normal"))
        assert eventually(scout.found) == [Lane("iris", "normal")]
    assert [(d.request.id, d.attempt) for d in receive(consumer, wait=5)] == [("a", 1)]
