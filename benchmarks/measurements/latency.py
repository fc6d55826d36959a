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
_SAMPLES = 500
_NAMES = frozenset(
    (
        *("predictq SQLite", "predictq Redis", "predictq Redis everysec", "predictq Redis always"),
        *("predictq RabbitMQ", "bare loop Redis", "Celery", "Dramatiq", "Taskiq", "FastStream batches", "Huey"),
        *("MLServer HTTP", "MLServer gRPC", "BentoML"),
    )
)
_SLOWER = frozenset(("Dramatiq", "Taskiq", "BentoML"))


def _measure(options: Options) -> Callable[[Turn], Any]:
    def measure(turn: Turn) -> dict[str, Any]:
        turn.start_workers()
        with turn.asker() as asker:
            told = {"seconds": options.seconds, "warm_up": options.warm_up}
            peak = asker.do("closed", in_flight=_WIDTH, turn_over=TURN_OVER, **told)["per_second"]
        found: dict[str, Any] = {"peak": peak}
        rates = {f"{share:.0%}": max(1.0, share * peak) for share in SHARES}
        rates |= {f"{rate}/s": float(rate) for rate in EQUAL if rate <= SHARES[-1] * peak}
        with turn.asker(precise=True) as asker:
            for name, rate in rates.items():
                found[name] = asker.do("open", rate=rate, **_lasting(rate, options))
        return found

    return measure


def _lasting(rate: float, options: Options) -> dict[str, float]:
    """Long enough for a p99 of more than a handful of requests; the workers are warm."""
    enough = 0.0 if options.quick else _SAMPLES / rate
    return {"seconds": min(max(options.seconds, enough), 10.0), "warm_up": options.warm_up / 2}


def _cases(options: Options) -> Sequence[Case]:
    everybody = (*ENGINES, *LIMITS, *QUEUES, *SERVERS)
    return [
        Case(who, "", "logistic", _measure(options), 1 if who.name in _SLOWER else 2)
        for who in everybody
        if who.name in _NAMES
    ]


LATENCY = Part("latency", "Latency under a load that does not wait for answers", _cases)
