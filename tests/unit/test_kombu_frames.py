"""The frames of the AMQP link, and what it keeps count of: without a server."""

import zlib
from collections.abc import Mapping
from typing import Any

import amqp
import pytest
from amqp.serialization import dumps

from predictq_broker.kombu.amqp.confirms import Confirms
from predictq_broker.kombu.amqp.reading import frames_to, read_properties
from predictq_broker.kombu.amqp.writing import ack_frames, publish_frames
from predictq_broker.kombu.fields import read_arrival
from predictq_broker.kombu.link import Fate, Letter, Message
from predictq_broker.kombu.virtual import VirtualLink
from predictq_broker.kombu.windows import Windows
from predictq_broker.messages import Priority


def letters(*names: str) -> list[Letter]:
    return [Letter("queue", {}, b"", name) for name in names]


class Told:
    """Writes down what came."""

    def __init__(self) -> None:
        self.messages: list[tuple[bytes, dict[str, Any], bytes]] = []
        self.confirms: list[tuple[int, bool, bool]] = []
        self.bytes_recv = 0

    def delivered(self, arguments: bytes, properties: bytes, body: bytes) -> None:
        self.messages.append((arguments, read_properties(properties)[0], body))

    def returned(self, arguments: bytes, properties: bytes) -> None:
        self.messages.append((arguments, read_properties(properties)[0], b"returned"))

    def confirmed(self, tag: int, *, multiple: bool, stored: bool) -> None:
        self.confirms.append((tag, multiple, stored))


def frames(raw: bytes) -> list[tuple[int, int, bytes]]:
    found: list[tuple[int, int, bytes]] = []
    while raw:
        size = int.from_bytes(raw[3:7], "big")
        assert raw[7 + size] == 0xCE
        found.append((raw[0], int.from_bytes(raw[1:3], "big"), raw[7 : 7 + size]))
        raw = raw[8 + size :]
    return found


@pytest.mark.parametrize("size", [0, 1, 100, 4088, 4089, 20_000])
def test_what_we_write_is_read_again_whatever_its_size(size: int) -> None:
    body = bytes(n % 251 for n in range(size))
    (raw,) = publish_frames(1, 4096, [Letter("queue", {"id": "a", "key": "müller"}, body, "a")])
    told = Told()
    on_frame = frames_to(told)(told, lambda *_: None)
    for kind, channel, payload in frames(raw):
        assert len(payload) <= 4096 - 8
        # a publish comes back to others as a delivery; only its method differs
        on_frame((kind, channel, b"\x00\x3c\x00\x3c" + payload[4:] if kind == 1 else payload))
    assert [(headers, found) for _, headers, found in told.messages] == [({"id": b"a", "key": "müller".encode()}, body)]


def test_py_amqp_reads_the_properties_we_write() -> None:
    (raw,) = publish_frames(1, 4096, [Letter("queue", {"id": "a"}, b"[]", "the-id")])
    message = amqp.Message()
    message.inbound_header(frames(raw)[1][2])
    message._load_properties(60, frames(raw)[1][2], 12)
    assert message.properties["application_headers"] == {"id": "a"}
    assert (message.properties["delivery_mode"], message.properties["correlation_id"]) == (2, "the-id")


@pytest.mark.parametrize(
    "headers", [{"id": "a"}, {"id": "a", "n": 7}, {"id": 1.5, "list": [1, {"x": None}], "yes": True}, {}], ids=str
)
def test_headers_that_py_amqp_writes_are_read(headers: Mapping[str, Any]) -> None:
    found, properties = read_properties(b"\x20\x80" + dumps("F", (dict(headers),)) + b"\x04name")
    assert found.keys() == headers.keys()
    assert properties == {"message_id": "name"}


@pytest.mark.parametrize("cut", range(24))
def test_properties_that_end_too_soon_are_none(cut: int) -> None:
    whole = b"\x20\x80" + dumps("F", ({"id": "a", "n": 7.5},)) + b"\x04name"
    assert read_properties(whole[:cut]) == ({}, {})


def test_confirms_of_several_calls_are_told_apart() -> None:
    confirms = Confirms()
    confirms.expect(letters("a", "b", "c"))
    confirms.confirmed(2, multiple=True, stored=True)
    assert confirms.open == 1
    confirms.confirmed(3, multiple=False, stored=False)
    assert confirms.fates == [Fate.STORED, Fate.STORED, Fate.REFUSED]
    confirms.expect(letters("d", "e"))
    confirms.confirmed(3, multiple=True, stored=True)  # of the call before
    assert confirms.open == 2
    confirms.returned("queue", "e")
    confirms.confirmed(5, multiple=True, stored=True)
    assert (confirms.open, confirms.fates) == (0, [Fate.STORED, Fate.NOWHERE])


def test_confirms_may_come_in_any_order() -> None:
    confirms = Confirms()
    confirms.expect(letters("a", "b", "c", "d"))
    confirms.confirmed(3, multiple=False, stored=True)
    confirms.confirmed(2, multiple=True, stored=True)
    confirms.confirmed(4, multiple=True, stored=True)
    assert (confirms.open, confirms.fates) == (0, [Fate.STORED] * 4)


def test_what_was_delivered_first_is_acknowledged_at_once_and_the_rest_one_by_one() -> None:
    windows = Windows()
    windows.open("queue", 10)
    for tag in range(1, 7):
        windows.deliver("queue", tag)
    assert windows.ack([2, 1, 4, 6]) == (2, [4, 6])
    assert windows.room("queue") == 8
    assert windows.ack([1, 4]) == (0, [])
    assert windows.ack([3, 5]) == (5, [])
    assert windows.room("queue") == 10


def test_a_queue_opened_again_does_not_count_what_came_before() -> None:
    windows = Windows()
    windows.open("queue", 2)
    windows.deliver("queue", 1)
    windows.open("queue", 3)
    windows.deliver("queue", 2)
    assert windows.room("queue") == 2
    windows.ack([1])
    assert windows.room("queue") == 2
    windows.shut("queue")
    assert windows.room("queue") is None


def test_acks_are_frames_of_amqp() -> None:
    method = b"\x00\x3c\x00\x50"
    assert [payload for _, _, payload in frames(ack_frames(1, 9, [11]))] == [
        method + (9).to_bytes(8, "big") + b"\x01",
        method + (11).to_bytes(8, "big") + b"\x00",
    ]


def test_attempts_add_up_from_the_servers_count_and_our_own() -> None:
    headers = {"id": b"a", "attempt": b"1", "x-delivery-count": 2, "priority": b"high", "x-death": b"?"}
    arrival = read_arrival("iris", "returned", Message("queue", 1, headers, {}, b"[]"))
    assert (arrival.attempt, arrival.request.priority, arrival.returned) == (4, Priority.HIGH, True)
    assert arrival.fields == {b"id": b"a", b"body": b"[]"}


def test_a_compressed_body_is_left_as_it_is() -> None:
    link = VirtualLink("memory://", {})
    body = zlib.compress(bytes(10_000_000))
    link.publish([Letter("bombs", {"id": "a", "compression": "application/x-gzip"}, body, "a")])
    link.open("bombs", 1)
    (message,) = link.gather(1)
    assert message.body == body
    link.ack([message.tag])
    link.delete("bombs")
    link.close()
