"""Bytes for each request that waits, each client that is connected, each worker that idles."""

from collections.abc import Callable, Sequence
from typing import Any

from contenders import ENGINES, PLAIN
from options import Options
from processes import settle_down
from turn import Turn

from measurements.case import Case, Part

__all__ = ["MEMORY"]

_CLIENTS = 50


def _measure(waiting: int) -> Callable[[Turn], Any]:
    def measure(turn: Turn) -> dict[str, Any]:
        request = _of_requests(turn, waiting)
        turn.start_workers()
        with turn.asker() as asker:
            settle_down(turn.pids()["worker"][0])
            idle = turn.memory(asker.pid)
            asker.do("call", method="more", count=_CLIENTS)
            connected = turn.memory(asker.pid)
        each = {role: (connected[role] - idle[role]) / _CLIENTS for role in ("server", "asker") if role in idle}
        worker = {role: idle[role] for role in ("worker", "its children") if role in idle}
        return {"waiting request": {"server": request}, "connected client": each, "idle worker": worker}

    return measure


def _of_requests(turn: Turn, waiting: int) -> float:
    """What the server holds for each of so many."""
    with turn.asker("peers.own:Port", ready=False) as asker:
        asker.do("fill", in_flight=1)
        empty = turn.memory()["server"]
        asker.do("fill", in_flight=waiting)
        return (turn.memory()["server"] - empty) / (waiting - 1)


def _cases(options: Options) -> Sequence[Case]:
    waiting = 20_000 if options.quick else 200_000
    return [Case(who, "", "logistic", _measure(waiting)) for who in ENGINES if who.server in PLAIN]


MEMORY = Part("memory", "Memory", _cases, rounds=1)
