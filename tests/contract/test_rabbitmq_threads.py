"""One connection to RabbitMQ, two threads: what one of them reads for the other reaches it at once."""

import threading
from collections.abc import Iterator, Sequence
from types import MappingProxyType

import pytest
from contract.making import in_background
from rabbitmq import RabbitServer

from predictq_broker.kombu.amqp import Address, AmqpLink
from predictq_broker.kombu.amqp import link as amqp_link
from predictq_broker.kombu.link import Fate, Letter, Message
from predictq_broker.kombu.queues import Queue

ROUNDS = 300
NEVER = 600.0
"""Seconds until a thread that missed its moment would look by itself."""
LETTER = Letter("ours", {}, b"body", "name")


@pytest.fixture
def link(rabbitmq_server: RabbitServer) -> Iterator[AmqpLink]:
    url = rabbitmq_server.fresh()
    link = AmqpLink(Address.of(url))
    link.declare(Queue("ours", MappingProxyType({"x-queue-type": "classic"})))
    yield link
    link.close()
    rabbitmq_server.drop(url)


def first_of(link: AmqpLink) -> Sequence[Message]:
    """What comes first; a thread may be woken for what it has read already, and finds nothing more."""
    while not (found := link.gather(NEVER)):
        pass
    return found


def test_who_publishes_learns_at_once_of_confirms_that_another_thread_has_read(
    link: AmqpLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amqp_link, "_SLICE", NEVER)
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            link.check()

    looking = in_background(look)
    publishing = in_background(lambda: [link.publish([LETTER]) for _ in range(ROUNDS)])
    try:
        assert publishing.result(timeout=30) == [[Fate.STORED]] * ROUNDS
    finally:
        stop.set()
        looking.result(timeout=30)


def test_who_waits_for_messages_learns_at_once_of_those_that_another_thread_has_read(link: AmqpLink) -> None:
    link.open("ours", 10)
    for _ in range(ROUNDS):
        reading = in_background(lambda: first_of(link))
        link.publish([LETTER])
        (message,) = reading.result(timeout=30)
        link.ack([message.tag])
