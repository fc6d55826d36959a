"""Throughput while so many requests wait: they are all there before the worker starts, and stay as many."""

from collections.abc import Callable, Sequence
from typing import Any

from contenders import ENGINES, PLAIN
from options import Options
from servers.served import Missing
from turn import Turn

from measurements.case import Case, Part

__all__ = ["BACKLOG"]


def _measure(waiting: int, options: Options) -> Callable[[Turn], Any]:
    def measure(turn: Turn) -> Any:  # noqa: ANN401  JSON
        with turn.asker("peers.own:Port", ready=False) as asker:
            asker.do("fill", in_flight=waiting)
            turn.start_workers()
            if not asker.do("first", within=90.0):
                raise Missing(f"no answer within 90 s: {turn.last_words()}")
            # answers come in lumps of a batch, and a worker that starts has some to catch up with
            told = {"seconds": 2 * options.seconds, "warm_up": 2 * options.warm_up}
            return asker.measured("closed", in_flight=waiting, **told)

    return measure


def _cases(options: Options) -> Sequence[Case]:
    sizes = (1_000, 100_000) if options.quick else (1_000, 100_000, 1_000_000)
    engines = [who for who in ENGINES if who.server in PLAIN]
    return [
        # RabbitMQ takes minutes to accept a million
        Case(who, f"{waiting:,}", "logistic", _measure(waiting, options), 1 if who.server == "rabbitmq" else 2)
        for waiting in sizes
        for who in engines
    ]


BACKLOG = Part("backlog", "With many requests waiting", _cases)
