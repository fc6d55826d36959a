"""Where the demo runs: a folder of its own, and on a shared broker a model of its own. Nothing of it stays."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from predictq_broker import connect, new_id
from predictq_cli.exits import Exit, Stop

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Place", "open_place"]


class Place(NamedTuple):
    """Where everything is.

    Attributes:
        folder: For logs and files; gone afterwards.
        broker: The broker's URL.
        registry: The registry's URL, in the folder.
        model: The model's name, which nobody else uses.
        about: The broker in a few words.
    """

    folder: Path
    broker: str
    registry: str
    model: str
    about: str

    @property
    def signing_key(self) -> Path:
        """Who signs the demo's releases, and is the only one whom its worker trusts."""
        return self.folder / "signing.key"


@contextmanager
def open_place(url: str | None) -> Generator[Place]:
    """A place on the broker at `url`; None: on an embedded one in the folder.

    Raises:
        Stop: if processes cannot meet at that broker.
        BrokerError: if it cannot be reached.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="predictq-demo-")))
        model = f"demo-iris-{new_id()[:8]}"
        broker = _broker(url, folder)
        about = _about(broker)
        if urlsplit(broker).scheme != "sqlite":
            stack.callback(_forget, broker, model)
        yield Place(folder, broker, str(folder / "models"), model, about)


def _broker(url: str | None, folder: Path) -> str:
    scheme = urlsplit(url or "").scheme
    if scheme == "memory":
        raise Stop(Exit.USAGE, "memory:// is within one process, and the demo has three: leave --broker out")
    if not url or scheme == "sqlite":
        return f"sqlite:///{folder / 'broker.db'}"  # never the user's own file: it could not be left as it was
    return url


def _about(url: str) -> str:
    with connect(url) as broker:
        broker.models()
        survives = broker.durability().survives.name.lower().replace("_", " ")
        return f"{broker.capabilities.engine} (survives {survives})"


def _forget(url: str, model: str) -> None:
    """Remove what the model left on a Redis server: ids that it remembers, and its name."""
    from predictq_broker.redis.keys import MODELS, Keys
    from predictq_broker.redis.server import ask, open_server

    where = open_server(url)
    try:
        ask(where, MODELS, "SREM", MODELS, model)
        redis: Any = where.at(Keys.of(model).prefix)
        found: list[bytes] = []
        for key in redis.scan_iter(match=f"{Keys.of(model).prefix}*", count=5000):
            found.append(key)
            if len(found) == 1000:
                redis.unlink(*found)
                found.clear()
        if found:
            redis.unlink(*found)
    finally:
        where.close()
