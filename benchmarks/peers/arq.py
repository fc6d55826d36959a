"""arq: `arq peers.arq.WorkerSettings`, which looks every 5 ms for jobs, and runs up to 512 together."""

from typing import Any, ClassVar

from arq import create_pool
from arq.connections import RedisSettings
from load.place import broker, the_model
from load.tasks import Tasks

from peers.polling import interval

Context = dict[str, Any]


async def predict(context: Context, row: Any) -> int:  # noqa: ANN401  a row of any model
    """One row."""
    return int(context["model"].predict([row])[0])


async def train(context: Context) -> None:
    """At the worker's start."""
    context["model"] = the_model()


class WorkerSettings:
    """What its command reads."""

    functions: ClassVar = [predict]
    on_startup = train
    redis_settings = RedisSettings.from_dsn(broker())
    max_jobs = 512
    poll_delay = 0.005
    keep_result = 60


class Asker(Tasks):
    """`enqueue_job`, and `result`, which polls."""

    async def open(self) -> None:
        """Connect."""
        self._pool = await create_pool(RedisSettings.from_dsn(broker()))

    async def ask(self, row: Any) -> Any:  # noqa: ANN401  as the base
        """One row, one label."""
        job = await self._pool.enqueue_job("predict", row)
        assert job is not None  # noqa: S101  only for an id that is there already
        return await job.result(poll_delay=interval(len(self._running)))

    async def close(self) -> None:
        """Disconnect."""
        await super().close()
        await self._pool.aclose()
