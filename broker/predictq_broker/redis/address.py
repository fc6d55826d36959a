"""What a URL says: which of Redis's forms, where, as whom, and over TLS or not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from predictq_broker.errors import UnsupportedBroker

__all__ = ["Address", "Login", "Place", "Tls"]

Form = Literal["server", "sentinel", "cluster"]
Place = tuple[str, int]
"""A host and a port."""

_FORMS: Final[Mapping[str, Form]] = {"sentinel": "sentinel", "cluster": "cluster"}
_PORTS: Final[Mapping[Form, int]] = {"server": 6379, "sentinel": 26379, "cluster": 6379}
_FOR_ALL: Final = ("ca", "cert", "key", "wait_replicas")
_OPTIONS: Final[Mapping[Form, tuple[str, ...]]] = {
    "server": ("db", *_FOR_ALL),
    "sentinel": ("sentinel_username", "sentinel_password", *_FOR_ALL),
    "cluster": _FOR_ALL,
}


class Login(NamedTuple):
    """A user and a password; None where the server asks for neither."""

    username: str | None
    password: str | None


class Tls(NamedTuple):
    """Files in PEM: the authorities to trust (None: those of the system), our certificate and its key."""

    ca: str | None
    cert: str | None
    key: str | None


class Address(NamedTuple):
    """One URL, taken apart.

    Attributes:
        form: One server, one that Sentinel names, or a cluster.
        places: The server, the Sentinels, or some nodes of the cluster; empty for a socket of this machine.
        path: The socket of this machine, if it is one.
        service: What the Sentinels call the primary.
        db: The number of the database; a cluster has only 0.
        login: Ours at the servers.
        sentinel_login: Ours at the Sentinels.
        tls: How to speak TLS; None for plain TCP.
        wait_replicas: How many replicas must confirm what `send` stored.
    """

    form: Form
    places: tuple[Place, ...]
    path: str | None
    service: str
    db: int
    login: Login
    sentinel_login: Login
    tls: Tls | None
    wait_replicas: int

    @classmethod
    def of(cls, url: str) -> "Address":
        """Read `redis://`, `rediss://`, `unix://`, and the first two with `+sentinel` or `+cluster`.

        Raises:
            UnsupportedBroker: if something in it is not understood; nothing is ignored.
        """
        parts = urlsplit(url)
        if "@" in parts.path + parts.query + parts.fragment:  # what follows may be a part of the password: show nothing
            raise UnsupportedBroker(f"{parts.scheme}://: percent-encode what is special in user, password and options")
        scheme, _, suffix = parts.scheme.partition("+")
        form: Form = _FORMS.get(suffix, "server")
        options = _options(parts, form)
        users, _, hosts = parts.netloc.rpartition("@")
        username, _, password = users.partition(":")
        service, db = _path(parts, form, options)
        return cls(
            form=form,
            places=() if scheme == "unix" else tuple(_place(host, _PORTS[form]) for host in hosts.split(",")),
            path=unquote(parts.path) if scheme == "unix" else None,
            service=service,
            db=_number("db", db or "0"),
            login=_login(username, password),
            sentinel_login=_login(options.get("sentinel_username", ""), options.get("sentinel_password", "")),
            tls=_tls(scheme, options),
            wait_replicas=_number("wait_replicas", options.get("wait_replicas", "0")),
        )


def _options(parts: SplitResult, form: Form) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = options.keys() - set(_OPTIONS[form])
    if unknown:
        known = ", ".join(_OPTIONS[form])
        raise UnsupportedBroker(f"{parts.scheme}:// has no option {', '.join(sorted(unknown))}: use {known}")
    return options


def _place(text: str, port: int) -> Place:
    try:
        parts = urlsplit(f"//{text}")
        given = parts.port
    except ValueError as error:
        raise UnsupportedBroker(f"{text!r} is not a host and a port: use host:{port}") from error
    return parts.hostname or "localhost", given or port


def _path(parts: SplitResult, form: Form, options: Mapping[str, str]) -> tuple[str, str]:
    """The name of the service, and the number of the database."""
    if parts.scheme == "unix":
        return "", options.get("db", "")
    first, _, rest = unquote(parts.path).strip("/").partition("/")
    if form == "sentinel":
        if not first:
            raise UnsupportedBroker("redis+sentinel:// needs the name of the primary: use …host:26379/mymaster/0")
        return first, rest
    if form == "cluster" and first not in ("", "0"):
        raise UnsupportedBroker(f"a cluster has only the database 0, not {first}")
    return "", options.get("db") or first


def _login(username: str, password: str) -> Login:
    return Login(unquote(username) or None, unquote(password) or None)


def _tls(scheme: str, options: Mapping[str, str]) -> Tls | None:
    tls = Tls(options.get("ca"), options.get("cert"), options.get("key"))
    if scheme == "rediss":
        for name, file in tls._asdict().items():
            if file is not None and not Path(file).is_file():
                raise UnsupportedBroker(f"{name} is {file}, and there is no such file")
        return tls
    if any(tls):
        raise UnsupportedBroker(f"ca, cert and key are for TLS, which {scheme}:// does not speak: use rediss://")
    return None


def _number(name: str, text: str) -> int:
    if not text.isdecimal():
        raise UnsupportedBroker(f"{name} is {text!r}: use a whole number")
    return int(text)
