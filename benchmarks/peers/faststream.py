"""FastStream on a Redis list, by its own request and reply: `faststream run peers.faststream:app`."""

from typing import Any

from faststream import FastStream
from faststream.redis import ListSub, RedisBroker
from load.place import broker as url
from load.place import the_model
from load.tasks import Tasks

broker = RedisBroker(url(), logger=None, apply_types=False)
app = FastStream(broker, logger=None)
_kept: list[Any] = []


@broker.subscriber(list=ListSub("requests", polling_interval=0.01))
async def predict(row: Any) -> int:  # noqa: ANN401  a row of any model
    """One row; the framework replies."""
    if not _kept:
        _kept.append(the_model())
    return int(_kept[0].predict([row])[0])


class Asker(Tasks):
    """`request`."""

    async def open(self) -> None:
        """Connect."""
        # each request has a subscription, and so a connection, of its own: the default pool has a hundred
        self._broker = RedisBroker(f"{url()}?max_connections=8192", logger=None, apply_types=False)
        await self._broker.connect()

    async def ask(self, row: Any) -> Any:  # noqa: ANN401  as the base
        """One row, one label."""
        reply = await self._broker.request(row, list="requests", timeout=120.0)
        return await reply.decode()

    async def close(self) -> None:
        """Disconnect."""
        await super().close()
        await self._broker.stop()
