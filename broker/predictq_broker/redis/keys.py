"""The keys of one model's queue. What each holds is told once, at the top of `lua/_library.lua`."""

import time
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from typing import Final, NamedTuple

from redis import exceptions as server

from predictq_broker.messages import Priority
from predictq_broker.names import is_name
from predictq_broker.redis.server import Server, ask

__all__ = ["MODELS", "PRIORITIES", "SUBSCRIBERS", "WORKERS", "Keys", "Known", "known_models", "model_of"]

MODELS: Final = "predictq:models"
WORKERS: Final = "workers"
SUBSCRIBERS: Final = "subscribers"
_AGAIN: Final = 5.0
PRIORITIES: Final = (Priority.HIGH, Priority.NORMAL, Priority.LOW)
"""In the order the streams are read; a stream's number in a script is its place here, from 1."""


class Keys(NamedTuple):
    """The names of one model's keys."""

    prefix: str
    streams: tuple[str, str, str]
    leases: str
    size: str
    parcels: str
    dead: str

    @staticmethod
    @lru_cache(maxsize=1 << 14)
    def of(model: str) -> "Keys":
        """The keys of `model`; its name is the hash tag."""
        prefix = f"predictq:{{{model}}}:"
        high, normal, low = (f"{prefix}requests:{priority}" for priority in PRIORITIES)
        return Keys(
            prefix=prefix,
            streams=(high, normal, low),
            leases=f"{prefix}requests:leases",
            size=f"{prefix}requests:bytes",
            parcels=f"{prefix}requests:parcels",
            dead=f"{prefix}dead",
        )

    @property
    def held(self) -> tuple[str, ...]:
        """Where requests are, and what is counted of them."""
        return (*self.streams, self.size, self.parcels)

    def results(self, reply_to: str) -> str:
        """The stream of results for `reply_to`."""
        return f"{self.prefix}results:{reply_to}"


class Known:
    """Says which models have a queue, and says it again now and then, lest a server that forgot does not know."""

    def __init__(self, where: Server) -> None:
        self._where = where
        self._said: dict[str, float] = {}

    def announce(self, models: Iterable[str]) -> None:
        """List these, unless that was done within the last seconds."""
        now = time.monotonic()
        due = [model for model in models if now - self._said.get(model, -_AGAIN) >= _AGAIN]
        if due:
            with suppress(server.OutOfMemoryError):  # a full server must still be drained: next time, then
                ask(self._where, MODELS, "SADD", MODELS, *due)
            self._said.update(dict.fromkeys(due, now))


def known_models(where: Server) -> list[str]:
    """The models whose queues the server has seen, sorted."""
    found = (model.decode(errors="replace") for model in ask(where, MODELS, "SMEMBERS", MODELS))
    return sorted(model for model in found if is_name(model))


def model_of(key: str) -> str:
    """The model whose key this is: the hash tag."""
    return key[key.index("{") + 1 : key.index("}")]
