"""What an `amqp://` URL says."""

from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from predictq_broker.errors import UnsupportedBroker

__all__ = ["Address"]

_OPTIONS: Final = ("ca", "cert", "key")


class Address(NamedTuple):
    """One URL, taken apart.

    Attributes:
        host: The server's name or address.
        port: 5672, or 5671 with TLS, unless told.
        user: Whose login.
        password: Its password.
        vhost: The virtual host.
        tls: What py-amqp wants to know for TLS; None for plain TCP.
    """

    host: str
    port: int
    user: str
    password: str
    vhost: str
    tls: dict[str, object] | None

    @classmethod
    def of(cls, url: str) -> "Address":
        """Read `amqp://` and `amqps://`; the latter with `?ca=…&cert=…&key=…`, files in PEM.

        Raises:
            UnsupportedBroker: if something in it is not understood; nothing is ignored.
        """
        parts = urlsplit(url)
        secure = parts.scheme == "amqps"
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        for name in options.keys() - set(_OPTIONS if secure else ()):
            raise UnsupportedBroker(
                f"{parts.scheme}:// does not take the option {name!r}: amqps:// takes ca, cert, key"
            )
        try:
            port = parts.port or (5671 if secure else 5672)
        except ValueError as error:
            raise UnsupportedBroker(f"the port in the {parts.scheme}:// URL is no number from 1 to 65535") from error
        host = parts.hostname or "localhost"
        return cls(
            host=host,
            port=port,
            user=unquote(parts.username or "guest"),
            password=unquote(parts.password or "guest"),
            vhost=unquote(parts.path[1:]) or "/",
            tls=_tls(host, options) if secure else None,
        )

    @property
    def place(self) -> str:
        """For messages: without the login."""
        return f"{self.host}:{self.port}"


def _tls(host: str, options: dict[str, str]) -> dict[str, object]:
    import ssl

    return {
        "cert_reqs": ssl.CERT_REQUIRED,
        "server_hostname": host,
        "ca_certs": options.get("ca"),
        "certfile": options.get("cert"),
        "keyfile": options.get("key"),
        "tls_minimum_version": ssl.TLSVersion.TLSv1_2,
    }
