"""Dramatiq on Redis with its Redis result backend: `dramatiq peers.dramatiq`."""

import time
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import ResultMissing, Results, ResultTimeout
from dramatiq.results.backends import RedisBackend
from load.handles import PENDING, Handles, look_again
from load.place import broker, the_model

_server = RedisBroker(url=broker())
_server.add_middleware(Results(backend=RedisBackend(url=broker())))
dramatiq.set_broker(_server)
_kept: list[Any] = []


@dramatiq.actor(store_results=True, max_retries=3)
def predict(row: Any) -> int:  # noqa: ANN401  a row of any model
    """One row; the model is trained when it is first used."""
    if not _kept:
        _kept.append(the_model())
    return int(_kept[0].predict([row])[0])


class Asker(Handles):
    """`send`, and `get_result` of the oldest."""

    def begin(self, row: Any) -> Any:  # noqa: ANN401  as the base
        """Ask."""
        return predict.send(row)

    def take(self, handle: Any, wait: float) -> Any:  # noqa: ANN401  as the base
        """It blocks for whole seconds only: what is shorter is polled."""
        until = time.perf_counter() + wait
        try:
            if wait >= 1.0:
                return handle.get_result(block=True, timeout=int(wait) * 1000)
        except ResultTimeout:
            return PENDING
        while True:
            try:
                return handle.get_result()
            except ResultMissing:
                if not look_again(until):
                    return PENDING
