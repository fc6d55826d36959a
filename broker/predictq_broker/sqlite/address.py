"""Reading a `sqlite://` URL."""

from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from predictq_broker.errors import UnsupportedBroker

__all__ = ["Address", "Synchronous", "read_address"]

Synchronous = Literal["full", "normal"]


class Address(NamedTuple):
    """Where the database is, and how carefully it writes.

    Attributes:
        path: The file, absolute, so that a later change of directory does not move it.
        synchronous: `full` survives a loss of power; `normal` may lose the last moments before it.
    """

    path: Path
    synchronous: Synchronous = "full"

    @property
    def log(self) -> str:
        """The write-ahead log beside it, which SQLite makes and removes."""
        return f"{self.path}-wal"


def read_address(url: str) -> Address:
    """The address in `sqlite:///relative.db` or `sqlite:////absolute/path.db`, with `?synchronous=normal` or not."""
    parts = urlsplit(url)
    path = unquote(parts.path.removeprefix("/"))
    if parts.netloc or not path or path == ":memory:":
        raise UnsupportedBroker(
            "this sqlite:// URL names no file: use sqlite:///file.db for one in the working directory, "
            "sqlite:////path/file.db for an absolute path, or memory:// for no file at all"
        )
    return Address(Path(path).absolute(), _synchronous(parts.query))


def _synchronous(query: str) -> Synchronous:
    synchronous: Synchronous = "full"
    for name, value in parse_qsl(query, keep_blank_values=True):
        match name, value.lower():
            case "synchronous", "full":
                synchronous = "full"
            case "synchronous", "normal":
                synchronous = "normal"
            case _:
                raise UnsupportedBroker(
                    f"option {name}={value} is not known: there is only synchronous=full or =normal"
                )
    return synchronous
