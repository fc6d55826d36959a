"""Taskiq on Redis Streams: `taskiq worker peers.taskiq:broker`, with uvloop, acknowledged when the result is saved."""

from typing import Any

from load.place import broker as url
from load.place import the_model
from load.tasks import Tasks
from taskiq.serializers import ORJSONSerializer
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from peers.polling import interval

broker = (
    RedisStreamBroker(url(), consumer_id="0")
    .with_serializer(ORJSONSerializer())
    .with_result_backend(
        RedisAsyncResultBackend(url(), result_ex_time=60, keep_results=False, serializer=ORJSONSerializer())
    )
)
_kept: list[Any] = []


@broker.task
async def predict(row: Any) -> int:  # noqa: ANN401  a row of any model
    """One row, in the event loop: handing a call this short to a thread costs more than it takes."""
    if not _kept:
        _kept.append(the_model())
    return int(_kept[0].predict([row])[0])


class Asker(Tasks):
    """`kiq`, and `wait_result`, which polls."""

    async def open(self) -> None:
        """Connect."""
        await broker.startup()

    async def ask(self, row: Any) -> Any:  # noqa: ANN401  as the base
        """One row, one label."""
        task = await predict.kiq(row)
        return (await task.wait_result(check_interval=interval(len(self._running)))).return_value

    async def close(self) -> None:
        """Disconnect."""
        await super().close()
        await broker.shutdown()
