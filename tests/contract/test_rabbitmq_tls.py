"""RabbitMQ behind TLS: all goes through it, and what is not certain is refused, never tried without."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from certificates import Certificates
from contract.making import answer, ask, eventually, receive, send
from rabbitmq import RabbitServer
from servers import free_port

from predictq_broker import BrokerError, BrokerRefused, connect


class Secure(NamedTuple):
    """A server that lets in who has a certificate of its authority."""

    port: int
    certificates: Certificates
    client: Path

    def url(self, host: str = "localhost", port: int = 0, scheme: str = "amqps", **options: Path | None) -> str:
        """With what a client needs, unless told otherwise; None leaves an option out."""
        told = {"ca": self.certificates.ca, "cert": self.client, "key": self.client.with_suffix(".key")} | options
        query = urlencode({name: value for name, value in told.items() if value is not None})
        return f"{scheme}://guest:guest@{host}:{port or self.port}/?{query}".removesuffix("?")


def serve(directory: Path, certificates: Certificates, certificate: Path, port: int) -> RabbitServer:
    """A RabbitMQ that shows this certificate on that port, and wants to see one."""
    options = (
        f"listeners.ssl.1 = 127.0.0.1:{port}",
        f"ssl_options.cacertfile = {certificates.ca}",
        f"ssl_options.certfile = {certificate}",
        f"ssl_options.keyfile = {certificate.with_suffix('.key')}",
        "ssl_options.verify = verify_peer",
        "ssl_options.fail_if_no_peer_cert = true",
    )
    return RabbitServer(directory, options)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    certificate = certificates.certificate("server", names="DNS:localhost")
    with serve(tmp_path_factory.mktemp("rabbitmq-tls"), certificates, certificate, free_port()) as server:
        yield server


@pytest.fixture(scope="module")
def secure(server: RabbitServer, certificates: Certificates) -> Secure:
    (listener,) = eventually(lambda: listeners(server))  # the plain one may be told of first
    return Secure(listener["port"], certificates, certificates.certificate("client"))


def listeners(server: RabbitServer) -> list[dict[str, Any]]:
    return [one for one in server.api("GET", "overview")["listeners"] if one["protocol"] == "amqp/ssl"]


def test_a_request_is_asked_and_answered_through_tls(secure: Secure) -> None:
    with connect(secure.url()) as broker:
        inbox, consumer = broker.inbox(), broker.consumer("w")
        inbox.expect("iris")
        receive(consumer)
        send(broker, ask("large", body=b"1" * 1_000_000, reply_to=inbox.name))
        (delivery,) = receive(consumer, wait=5.0)
        consumer.settle([answer(delivery, delivery.request.body)])
        answered: list[bytes] = []
        eventually(lambda: answered.extend(result.body for result in inbox.receive(1.0)) or answered)
        assert answered == [b"1" * 1_000_000]
        inbox.close()
        consumer.close()


def test_a_server_of_another_authority_is_refused(secure: Secure) -> None:
    another = secure.certificates.authority("another")
    with connect(secure.url(ca=another)) as broker, pytest.raises(BrokerRefused, match="not trusted"):
        broker.send([ask()])


def test_without_an_authority_that_of_the_machine_counts(secure: Secure) -> None:
    with connect(secure.url(ca=None)) as broker, pytest.raises(BrokerRefused, match="not trusted"):
        broker.send([ask()])


def test_a_server_by_another_name_is_refused(secure: Secure) -> None:
    with connect(secure.url("127.0.0.1")) as broker, pytest.raises(BrokerRefused, match="not trusted"):
        broker.send([ask()])


def test_a_client_without_a_certificate_is_not_let_in(secure: Secure) -> None:
    with connect(secure.url(cert=None, key=None)) as broker, pytest.raises(BrokerError):
        broker.send([ask()])


def test_a_port_without_tls_is_never_spoken_to_in_plain(secure: Secure, server: RabbitServer) -> None:
    with connect(secure.url(port=server.port)) as broker, pytest.raises(BrokerError):
        broker.send([ask()])


def test_a_port_with_tls_does_not_answer_plain_text(secure: Secure) -> None:
    plain = secure.url(scheme="amqp", ca=None, cert=None, key=None)
    with connect(plain) as broker, pytest.raises(BrokerError):
        broker.send([ask()])


def test_options_of_tls_are_not_ignored_where_there_is_none(secure: Secure) -> None:
    with pytest.raises(BrokerError, match="amqps"):
        connect(secure.url(scheme="amqp"))
