"""Huey on Redis: `huey_consumer peers.huey.huey -k process`. Results are told by a blocking read (`notify_result`)."""

import time
from typing import Any

from huey import RedisHuey
from huey.exceptions import ResultTimeout
from load.handles import PENDING, Handles, look_again
from load.place import broker, the_model

huey = RedisHuey("bench", url=broker(), notify_result=True)
_kept: list[Any] = []


@huey.task()
def predict(row: Any) -> int:  # noqa: ANN401  a row of any model
    """One row; the model is trained when it is first used."""
    if not _kept:
        _kept.append(the_model())
    return int(_kept[0].predict([row])[0])


class Asker(Handles):
    """Call the task, and `get` the oldest."""

    def begin(self, row: Any) -> Any:  # noqa: ANN401  as the base
        """Ask."""
        return predict(row)

    def take(self, handle: Any, wait: float) -> Any:  # noqa: ANN401  as the base
        """Wait for the notification; what is shorter than the server's clock, which ticks every 0.1 s, is polled."""
        until = time.perf_counter() + wait
        try:
            if wait >= 1.0:
                return handle.get(blocking=True, timeout=wait)
        except ResultTimeout:
            return PENDING
        while (found := handle.get()) is None and look_again(until):
            pass
        return PENDING if found is None else found
