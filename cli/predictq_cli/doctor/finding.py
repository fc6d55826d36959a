"""One thing the doctor looked at."""

from enum import StrEnum
from typing import NamedTuple

__all__ = ["Finding", "State", "fine", "remarkable", "wrong"]


class State(StrEnum):
    """How bad it is. Only `wrong` makes the command fail."""

    FINE = "fine"
    REMARKABLE = "remarkable"
    WRONG = "wrong"


class Finding(NamedTuple):
    """What was found.

    Attributes:
        part: Where: broker, registry, or versions.
        state: How bad it is.
        what: What was found, in a sentence.
        do: What to do about it; empty if nothing.
    """

    part: str
    state: State
    what: str
    do: str = ""


def fine(part: str, what: str) -> Finding:
    """All is well."""
    return Finding(part, State.FINE, what)


def remarkable(part: str, what: str, do: str) -> Finding:
    """It works, but somebody should know."""
    return Finding(part, State.REMARKABLE, what, do)


def wrong(part: str, what: str, do: str) -> Finding:
    """It does not work, or will not for long."""
    return Finding(part, State.WRONG, what, do)
