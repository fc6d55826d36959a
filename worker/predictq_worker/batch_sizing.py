"""How many rows a batch should have: learnt, for each release, from what its batches cost."""

import math
from typing import Final, NamedTuple

__all__ = ["BatchSizing", "Cost"]

_GAIN: Final = 0.95
"""A batch that reaches so much of the highest rate is large enough: more rows would only make it longer."""
_FIRST: Final = 16
_GROWTH: Final = 2.0
"""Nothing is known of batches never tried: the next may be so many times as large as the largest."""
_SHRINKAGE: Final = 0.9
"""… and no smaller than this share of the last: one moment of trouble does not end batching."""
_PROBE: Final = 16
"""One batch in so many is smaller, lest all be alike: two sizes tell what a row costs, one does not."""
_MEMORY: Final = 0.99
"""What is left of a batch's weight after the next."""
_ALIKE: Final = 1e-4


class Cost(NamedTuple):
    """What a batch costs: `fixed` seconds, and `each` for every row."""

    fixed: float
    each: float

    def rows_in(self, seconds: float) -> float:
        """How many rows are done in this time; below 1 if not even one is."""
        if self.each:
            return (seconds - self.fixed) / self.each
        return math.inf if seconds >= self.fixed else 0.0

    @property
    def knee(self) -> float:
        """Rows from which on a larger batch gains next to nothing."""
        return _GAIN / (1 - _GAIN) * self.fixed / self.each if self.each else math.inf


class BatchSizing:
    """Says how large the next batch may be, and is told what each one took.

    The cost is the line with the least squares of the *relative* errors, recent batches counting most: so a batch that
    was held up counts for little. No lock: a batch that is sized by the figures of a moment ago is as good.

    Args:
        most: Rows that no batch exceeds.
        target: Seconds that a batch may take; or twice what it costs without any rows, if that is more. 0: a batch may
            have as many rows as `most` whatever it takes; only deadlines are looked at.
    """

    def __init__(self, most: int, target: float) -> None:
        self._most = most
        self._target = target
        self._line = _Line()
        self._largest = 0
        self._asked = 0
        self.cost: Cost | None = None
        self.limit = min(_FIRST, most) if target else most

    def rows(self) -> int:
        """The most rows that the next batch should have."""
        self._asked += 1
        turn, rest = divmod(self._asked, _PROBE)
        return self.limit if rest or not self._target else max(self.limit >> 1 + turn % self.limit.bit_length(), 1)

    def rows_within(self, seconds: float) -> int:
        """The most rows that are done in this time; as many as allowed if it is too short even for one."""
        fit = self.cost.rows_in(seconds) if self.cost is not None else math.inf
        return int(min(fit, self._most)) if fit >= 1 else self._most

    def observe(self, rows: int, seconds: float) -> None:
        """A batch of so many rows took so long."""
        self._largest = max(self._largest, rows)
        if rows > 0 and seconds > 0:
            self._line.add(rows, seconds)
        self.cost = self._line.cost() or self.cost
        self.limit = self._limit() if self._target else self._most

    def _limit(self) -> int:
        known = max(_GROWTH * self._largest, _FIRST)
        if self.cost is None:
            return int(min(known, self._most))
        short = self.cost.rows_in(max(self._target, 2 * self.cost.fixed))
        found = max(self.cost.knee, self.limit * _SHRINKAGE)
        return max(int(min(known, found, short, self._most)), 1)


class _Line:
    """Fits 1 = fixed · (1 / seconds) + each · (rows / seconds), by sums that forget."""

    def __init__(self) -> None:
        self._xx = self._xy = self._yy = self._x = self._y = 0.0

    def add(self, rows: int, seconds: float) -> None:
        x, y = 1 / seconds, rows / seconds
        self._xx, self._xy, self._yy = (
            self._xx * _MEMORY + x * x,
            self._xy * _MEMORY + x * y,
            self._yy * _MEMORY + y * y,
        )
        self._x, self._y = self._x * _MEMORY + x, self._y * _MEMORY + y

    def cost(self) -> Cost | None:
        """None if the batches were all of about one size."""
        determinant = self._xx * self._yy - self._xy * self._xy
        if determinant <= _ALIKE * self._xx * self._yy:
            return None
        fixed = (self._x * self._yy - self._y * self._xy) / determinant
        each = (self._y * self._xx - self._x * self._xy) / determinant
        if each <= 0:
            return Cost(self._x / self._xx, 0.0)
        return Cost(fixed, each) if fixed > 0 else Cost(0.0, self._y / self._yy)
