"""Redis behind TLS: who is not who it should be is refused with a sentence, and nothing is ever sent in the clear."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import Certificates
from contract.making import answer, ask, drain, ids, in_background, receive, send
from servers import RedisServer

from predictq_broker import BrokerRefused, BrokerUnavailable, UnsupportedBroker, connect


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


class TlsServer(RedisServer):
    """A server that speaks TLS alone, with this certificate."""

    def __init__(self, directory: Path, certificates: Certificates, certificate: Path, clients: str = "no") -> None:
        mine = ("--tls-cert-file", str(certificate), "--tls-key-file", str(certificate.with_suffix(".key")))
        trusted = ("--tls-ca-cert-file", str(certificates.ca), "--tls-auth-clients", clients)
        super().__init__(directory, options=(*mine, *trusted), ssl=True, ssl_cert_reqs="none")
        self._options += ("--port", "0", "--tls-port", str(self.port))

    def at(self, host: str, **options: object) -> str:
        """The URL of this server under a name of its host."""
        said = "&".join(f"{name}={value}" for name, value in options.items())
        return f"rediss://{host}:{self.port}/0?{said}"


@pytest.fixture(scope="module")
def server(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    certificate = certificates.certificate("server")
    with TlsServer(tmp_path_factory.mktemp("redis"), certificates, certificate) as server:
        yield server


def test_a_request_is_answered_over_tls(server: TlsServer, certificates: Certificates) -> None:
    with connect(server.at("localhost", ca=certificates.ca)) as broker:
        inbox, consumer = broker.inbox(), broker.consumer("worker")
        inbox.expect("iris")
        send(broker, ask("a", reply_to=inbox.name))
        consumer.settle([answer(delivery) for delivery in receive(consumer)])
        assert ids(drain(inbox)) == ["a"]
        consumer.close()
        inbox.close()


def test_an_authority_we_do_not_trust_is_refused(server: TlsServer, certificates: Certificates) -> None:
    with (
        connect(server.at("localhost", ca=certificates.authority("another"))) as broker,
        pytest.raises(BrokerRefused, match=r"TLS was refused.*certificate verify failed"),
    ):
        broker.models()


def test_without_an_authority_of_ours_those_of_the_system_decide(server: TlsServer) -> None:
    with connect(server.at("localhost")) as broker, pytest.raises(BrokerRefused, match="certificate verify failed"):
        broker.models()


def test_a_certificate_for_another_host_is_refused(certificates: Certificates, tmp_path: Path) -> None:
    certificate = certificates.certificate("elsewhere", names="DNS:elsewhere.example")
    with (
        TlsServer(tmp_path, certificates, certificate) as server,
        connect(server.at("localhost", ca=certificates.ca)) as broker,
        pytest.raises(BrokerRefused, match=r"Hostname mismatch.*not valid for 'localhost'"),
    ):
        broker.models()


def test_a_certificate_that_has_expired_is_refused(certificates: Certificates, tmp_path: Path) -> None:
    certificate = certificates.certificate("expired", days=-1)
    with (
        TlsServer(tmp_path, certificates, certificate) as server,
        connect(server.at("localhost", ca=certificates.ca)) as broker,
        pytest.raises(BrokerRefused, match="certificate has expired"),
    ):
        broker.models()


def test_who_shows_no_certificate_of_its_own_is_refused_where_one_is_wanted(
    certificates: Certificates, tmp_path: Path
) -> None:
    ours = certificates.certificate("client")
    with TlsServer(tmp_path, certificates, certificates.certificate("strict")) as server:
        with server.client() as client:
            client.config_set("tls-auth-clients", "yes")
        shown = {"ca": certificates.ca, "cert": ours, "key": ours.with_suffix(".key")}
        with connect(server.at("localhost", **shown)) as broker:
            assert broker.models() == []
        with (
            connect(server.at("localhost", ca=certificates.ca)) as broker,
            pytest.raises((BrokerRefused, BrokerUnavailable)),  # the server hangs up, and may be heard saying why
        ):
            broker.models()


def test_a_server_without_tls_is_not_spoken_to_in_the_clear() -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        hearing = in_background(lambda: hear_one(plain))
        with (
            connect(f"rediss://:secret@127.0.0.1:{plain.getsockname()[1]}/0") as broker,
            pytest.raises(BrokerRefused, match="TLS was refused"),
        ):
            broker.models()
    heard = hearing.result()
    assert heard.startswith(b"\x16\x03")  # a TLS handshake
    assert b"secret" not in heard


def hear_one(plain: socket.socket) -> bytes:
    """What the first caller says until it hangs up; it is told in the clear that it is not understood."""
    caller, _ = plain.accept()
    with caller:
        heard = caller.recv(65536)
        caller.sendall(b"-ERR unknown command\r\n")
        with contextlib.suppress(ConnectionResetError):
            while more := caller.recv(65536):
                heard += more
    return heard


def test_plain_text_to_a_port_of_tls_ends_with_a_sentence(server: TlsServer) -> None:
    with (
        connect(server.url) as broker,
        pytest.raises((BrokerRefused, BrokerUnavailable), match=r"closed|reset|TLS"),
    ):
        broker.models()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("redis://host/0?ca=ca.crt", "for TLS, which redis:// does not speak"),
        ("rediss://host/0?ssl_cert_reqs=none", "has no option ssl_cert_reqs"),
        ("redis://host:port/0", "not a host and a port"),
        ("redis://host/first", "db is 'first'"),
        ("redis+sentinel://host:26379", "needs the name of the primary"),
        ("redis+cluster://host:6379/1", "only the database 0"),
        ("redis://host/0?wait_replicas=all", "wait_replicas is 'all'"),
    ],
)
def test_what_a_url_says_is_understood_or_refused(url: str, sentence: str) -> None:
    with pytest.raises(UnsupportedBroker, match=sentence):
        connect(url)


def test_a_file_that_is_not_there_is_named(server: TlsServer) -> None:
    with pytest.raises(UnsupportedBroker, match="ca is /nowhere, and there is no such file"):
        connect(server.at("localhost", ca="/nowhere"))
