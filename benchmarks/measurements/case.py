"""The shape that all measurements share."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from contenders import Contender
from options import Options
from turn import Turn

__all__ = ["Case", "Part"]


class Case(NamedTuple):
    """One turn of one contender.

    Attributes:
        contender: Who.
        label: What is varied, beside the contender; empty: nothing.
        model: One of `load.models`.
        measure: What to do once the server runs and everything is prepared; returns figures for JSON.
        rounds: How many turns it gets at most: what no goal hangs on, or takes long, needs fewer.
    """

    contender: Contender
    label: str
    model: str
    measure: Callable[[Turn], Any]
    rounds: int = 1000


class Part(NamedTuple):
    """Cases that take turns, A B C A B C.

    Attributes:
        name: For `ONLY=`.
        about: What the table says above it.
        cases: In which order.
        rounds: How many turns each gets at most; what hardly varies needs no more than one.
    """

    name: str
    about: str
    cases: Callable[[Options], Sequence[Case]]
    rounds: int = 1000
