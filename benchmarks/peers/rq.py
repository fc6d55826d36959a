"""RQ: `rq worker --worker-class rq.SimpleWorker`, which runs jobs in its own process instead of forking for each."""

import time
from typing import Any

from load.handles import PENDING, Handles, look_again
from load.place import broker, the_model
from redis import Redis
from rq import Queue

_kept: list[Any] = []


def predict(row: Any) -> int:  # noqa: ANN401  a row of any model
    """One row; the model is trained when it is first used."""
    if not _kept:
        _kept.append(the_model())
    return int(_kept[0].predict([row])[0])


class Asker(Handles):
    """`enqueue`, and `latest_result` of the oldest."""

    async def open(self) -> None:
        """Connect."""
        self._queue = Queue(connection=Redis.from_url(broker()))

    def begin(self, row: Any) -> Any:  # noqa: ANN401  as the base
        """Ask."""
        return self._queue.enqueue(predict, row, result_ttl=60)

    def take(self, handle: Any, wait: float) -> Any:  # noqa: ANN401  as the base
        """It blocks for whole seconds only: what is shorter is polled."""
        until = time.perf_counter() + wait
        if wait >= 1.0:
            found = handle.latest_result(timeout=int(wait))
        else:
            while (found := handle.latest_result()) is None and look_again(until):
                pass
        return PENDING if found is None else found.return_value
