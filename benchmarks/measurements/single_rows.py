"""Requests of one row, closed-loop: as many on their way as stated, each answer followed by the next request."""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from contenders import ENGINES, LIMITS, QUEUES, REDIS, SERVERS, Contender
from options import Options
from turn import Turn

from measurements.case import Case, Part

__all__ = ["ENGINES_PART", "PEERS_PART", "TURN_OVER", "closed"]

TURN_OVER = 10.0
"""Seconds that a warm-up may last beyond its time, until what was asked first has been answered."""

_SLOWER = frozenset(("Dramatiq", "Taskiq", "RQ", "arq", "BentoML", "LitServe", "Ray Serve"))
"""No goal hangs on these: others are faster, or are named by one."""


def closed(widths: Sequence[int], options: Options) -> Callable[[Turn], Any]:
    """Figures by width. One at a time is asked through the client that is meant for it, if there is one."""

    def measure(turn: Turn) -> dict[str, Any]:
        turn.start_workers()
        found: dict[str, Any] = {}
        for client, group in groupby(widths, lambda width: turn.contender.alone if width == 1 else ""):
            with turn.asker(client) as asker:
                for width in group:
                    told = {"seconds": options.seconds, "warm_up": options.warm_up, "turn_over": TURN_OVER}
                    found[str(width)] = asker.measured("closed", in_flight=width, **told)
        return found

    return measure


def _cases(contenders: Sequence[Contender]) -> Callable[[Options], Sequence[Case]]:
    return lambda options: [_case(who, options) for who in contenders]


def _case(who: Contender, options: Options) -> Case:
    return Case(who, "", "logistic", closed(options.widths, options), 2 if who.name in _SLOWER else 1000)


ENGINES_PART = Part("engines", "Each engine beside the bare loop on it", _cases((*ENGINES, *LIMITS)))
PEERS_PART = Part("peers", "What one would pick instead", _cases((REDIS, *QUEUES, *SERVERS)))
