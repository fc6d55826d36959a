"""What is asked: a few rows of the irises, told by where they begin and how many they are, so that each has an answer
that is known; and rows that harm.
"""

import itertools
import random
from collections.abc import Iterator
from typing import Final, NamedTuple

from sklearn.datasets import load_iris

__all__ = ["HARMFUL", "HUNGRY", "LONG", "POISON", "Question", "questions", "rows_of"]

POISON: Final = 666.0
"""A row of these kills the runner, as a fault in a model's C code would."""
LONG: Final = 777.0
"""A row of these never ends."""
HUNGRY: Final = 888.0
"""A row of these takes memory until there is none."""
HARMFUL: Final = {"poison": POISON, "long": LONG, "hungry": HUNGRY}

_ROWS: Final[list[list[float]]] = load_iris().data.tolist()


class Question(NamedTuple):
    """One request: `what` is how the journals name it."""

    id: str
    what: str

    @property
    def rows(self) -> list[list[float]]:
        """The rows to send."""
        return rows_of(self.what)


def rows_of(what: str) -> list[list[float]]:
    """The rows that `what` stands for: `12:3` is three rows from the twelfth, `poison` a harmful one."""
    if what in HARMFUL:
        return [[HARMFUL[what]] * 4]
    first, count = map(int, what.split(":"))
    return _ROWS[first : first + count]


def questions(prefix: str, seed: int) -> Iterator[Question]:
    """Endless questions with ids of their own, mostly of one row; the same for the same seed."""
    dice = random.Random(seed)  # noqa: S311  no secret depends on it
    for number in itertools.count():
        count = dice.choice((1, 1, 1, 1, 2, 5))
        yield Question(f"{prefix}-{number}", f"{dice.randrange(150 - count)}:{count}")
