"""The catalogue: everything that is done to a running system.

A fault is a generator. It does its harm; yields the seconds for which it is to last; undoes it; and returns the proof
that it happened: a pid that changed, a log line, a counter that moved. Without proof it raises, for a fault that did
not happen must not count.
"""

from collections.abc import Callable, Generator
from random import Random
from typing import NamedTuple

from faults.chaos.system import System

__all__ = ["DidNotHappen", "Fault", "Harm", "catalogue"]

Harm = Generator[float, None, str]


class DidNotHappen(Exception):
    """There is no proof of it."""


class Fault(NamedTuple):
    """One thing that can go wrong.

    Attributes:
        name: What it is, for the report.
        inflict: Does it to a system; what is left to chance the dice decide.
        needs: Why it cannot be done here; empty if it can.
        waits: Whether it waits for the system to react; of two at a time such a one begins first and ends last.
    """

    name: str
    inflict: Callable[[System, Random], Harm]
    needs: Callable[[System], str] = lambda _: ""
    waits: bool = False


def catalogue(engine: str) -> list[Fault]:
    """All that can be done to a system on this engine."""
    from faults.chaos.faults import broker, clocks, inputs, network, processes, releases

    common = [*processes.FAULTS, *inputs.FAULTS, *releases.FAULTS, *clocks.FAULTS]
    match engine:
        case "sqlite":
            from faults.chaos.faults import sqlite

            return [*common, *sqlite.FAULTS]
        case "redis":
            from faults.chaos.faults import redis

            return [*common, *broker.FAULTS, *network.FAULTS, *redis.FAULTS]
        case _:
            from faults.chaos.faults import rabbitmq

            return [*common, *broker.FAULTS, *network.FAULTS, *rabbitmq.FAULTS]
