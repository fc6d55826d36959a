"""Named points in a request's life at which a test can have the process killed, to see that nothing is lost there.

`PREDICTQ_FAILPOINT=after_receive:3` kills the process the third time it comes by `after_receive`. It is for tests;
unset, as it always is in service, a point costs one look at a variable.
"""

import os
import signal
from typing import Final, Literal, get_args

__all__ = ["POINTS", "VARIABLE", "Bomb", "Point", "reached"]

VARIABLE: Final = "PREDICTQ_FAILPOINT"
"""What arms a point: its name, and the how-manieth time kills, after a colon."""

Point = Literal[
    "after_receive",
    "before_predict",
    "in_predict",
    "after_predict",
    "before_settle",
    "mid_settle",
    "after_settle",
]
"""In the order in which a request comes by. `in_predict` is in the runner, the others are in the worker."""

POINTS: Final[tuple[Point, ...]] = get_args(Point)


class Bomb:
    """Kills its process at one point, at the how-manieth time."""

    def __init__(self, setting: str) -> None:
        """`setting`: as in `PREDICTQ_FAILPOINT`; `ValueError` if there is no such point, or that is no number."""
        self._point, _, times = setting.partition(":")
        if self._point not in POINTS:
            raise ValueError(f"{VARIABLE} names {self._point!r}; the points are {', '.join(POINTS)}")
        self._left = int(times or 1)

    def pass_by(self, point: Point) -> None:
        """Count, and kill when it is time."""
        self._left -= point == self._point
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)


_bomb: Final = Bomb(os.environ[VARIABLE]) if VARIABLE in os.environ else None


def reached(point: Point) -> None:
    """Say that a request has come so far."""
    if _bomb is not None:
        _bomb.pass_by(point)
