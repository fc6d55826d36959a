"""Open-loop latency: requests come when they come. At shares of each one's own peak, and at loads that all can take."""

from collections.abc import Callable, Sequence
from typing import Any

from contenders import ENGINES, LIMITS, QUEUES, SERVERS
from options import Options
from turn import Turn

from measurements.case import Case, Part
from measurements.single_rows import TURN_OVER

__all__ = ["EQUAL", "LATENCY", "SHARES"]

SHARES = (0.1, 0.5, 0.8)
EQUAL = (100, 500)
_WIDTH = 1024
_NAMES = frozenset(
    (
        *("predictq SQLite", "predictq Redis", "predictq Redis everysec", "predictq Redis always"),
        *("predictq RabbitMQ", "bare loop Redis", "Celery", "Dramatiq", "Taskiq", "FastStream batches", "Huey"),
        *("MLServer HTTP", "MLServer gRPC", "BentoML"),
    )
)


def _measure(options: Options) -> Callable[[Turn], Any]:
    def measure(turn: Turn) -> dict[str, Any]:
        turn.start_workers()
        with turn.asker() as asker:
            told = {"seconds": options.seconds, "warm_up": options.warm_up}
            peak = asker.do("closed", in_flight=_WIDTH, turn_over=TURN_OVER, **told)["per_second"]
        found: dict[str, Any] = {"peak": peak}
        with turn.asker(precise=True) as asker:
            for share in SHARES:
                found[f"{share:.0%}"] = asker.do("open", rate=max(1.0, share * peak), **told)
            for rate in EQUAL:
                if rate <= SHARES[-1] * peak:
                    found[f"{rate}/s"] = asker.do("open", rate=float(rate), **told)
        return found

    return measure


def _cases(options: Options) -> Sequence[Case]:
    everybody = (*ENGINES, *LIMITS, *QUEUES, *SERVERS)
    return [Case(who, "", "logistic", _measure(options)) for who in everybody if who.name in _NAMES]


LATENCY = Part("latency", "Latency under a load that does not wait for answers", _cases, rounds=2)
