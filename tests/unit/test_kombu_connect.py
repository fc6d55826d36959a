"""Which URLs the engine for kombu takes, and what it makes of them."""

from pathlib import Path

import pytest

from predictq_broker import Capacity, Code, Outcome, Request, Result, Survives, UnsupportedBroker, connect
from predictq_broker.kombu.amqp import Address


def test_an_amqp_url_is_taken_apart() -> None:
    assert Address.of("amqp://") == ("localhost", 5672, "guest", "guest", "/", None)
    assert Address.of("amqp://me:s%40y@host:99/a%2Fb") == ("host", 99, "me", "s@y", "a/b", None)


def test_amqps_checks_the_servers_name_and_certificate() -> None:
    address = Address.of("amqps://host/?ca=/ca.pem&cert=/c.pem&key=/k.pem")
    assert address.port == 5671
    assert address.tls is not None
    assert (address.tls["server_hostname"], address.tls["ca_certs"], address.tls["keyfile"]) == (
        "host",
        "/ca.pem",
        "/k.pem",
    )


@pytest.mark.parametrize("url", ["amqp://host/?ca=x", "amqps://host/?heartbeat=3", "amqp://host:none/"])
def test_what_is_not_understood_is_refused(url: str) -> None:
    with pytest.raises(UnsupportedBroker):
        connect(url)


def test_kombus_own_table_decides_what_it_speaks() -> None:
    with pytest.raises(UnsupportedBroker, match="no transport 'carrier'"):
        connect("kombu+carrier://pigeon")
    with pytest.raises(UnsupportedBroker, match="no broker engine for 'carrier'"):
        connect("carrier://pigeon")
    with pytest.raises(UnsupportedBroker, match="use amqp://"):
        connect("kombu+pyamqp://host")


def test_a_transport_that_knows_nothing_of_what_it_keeps_says_so() -> None:
    with connect("kombu+memory://") as broker:
        assert broker.durability().survives is Survives.NOTHING
        assert (broker.capabilities.engine, broker.capabilities.shared) == ("kombu+memory", False)


def test_requests_travel_through_a_folder(tmp_path: Path) -> None:
    folder = f"filesystem://?data_folder_in={tmp_path}&data_folder_out={tmp_path}&control_folder={tmp_path}/c"
    with connect(folder) as broker, connect(folder) as worker:
        inbox = broker.inbox()
        inbox.expect("iris")
        broker.send([Request("iris", b"\x00\xff", "a", reply_to=inbox.name)])
        consumer = worker.consumer("worker")
        (delivery,) = consumer.receive({"iris": Capacity(5)}, 1)
        assert delivery.request.body == b"\x00\xff"
        consumer.settle([Outcome(delivery, Result("a", Code.OK, b"[0]", "iris"))])
        assert [result.body for result in inbox.receive(5)] == [b"[0]"]
        consumer.close()
        inbox.close()
