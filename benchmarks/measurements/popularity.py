"""Many models on one worker, asked for as unevenly as books are read (Zipf), with memory for a hundred of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from contenders import Contender, predictq
from options import Options
from turn import Turn

from measurements.case import Case, Part

__all__ = ["POPULARITY"]

_WIDTH = 1024
_RUNNER = 15 << 20
"""What a worker counts for a small model: memory that its runner shares with nobody."""
_SHARED = {"PREDICTQ_SHARE_BELOW": "256k"}
_KINDS: Mapping[str, Mapping[str, str]] = {
    "Redis": {},
    "Redis, shared": _SHARED,
    "SQLite, shared": _SHARED,
    "RabbitMQ, shared": _SHARED,
}
"""A process for each model, and one for all that are small: on each engine, since what a model costs there differs."""


def _measure(options: Options, count: int) -> Callable[[Turn], Any]:
    def measure(turn: Turn) -> Any:  # noqa: ANN401  JSON
        turn.start_workers()
        with turn.asker() as asker:
            loading = min(30.0, 0.1 * count)  # until what is asked for most is in memory
            told = {"seconds": options.seconds, "warm_up": options.warm_up + loading}
            return {**asker.measured("closed", in_flight=_WIDTH, **told), "memory": turn.memory(asker.pid)}

    return measure


def _cases(options: Options) -> Sequence[Case]:
    counts = (1, 10, 100) if options.quick else (1, 10, 1000)
    # a single one is asked for by name too, so that the askers do the same
    return [
        Case(_many(kind, count), f"{count:,}", "logistic", _measure(options, count))
        for count in counts
        for kind in _KINDS
    ]


def _many(kind: str, count: int) -> Contender:
    settings = {"PREDICTQ_MEMORY_BUDGET": str(100 * _RUNNER), **_KINDS[kind]}
    server = kind.partition(",")[0].lower()
    return predictq(kind, server, "no", models=count, settings=settings)


POPULARITY = Part("popularity", "With many models on one worker", _cases, rounds=1)
