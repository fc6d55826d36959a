"""The turns, by part, contender and case; and what several rounds come to."""

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from store import Done

__all__ = ["Faults", "Results", "Spread", "peak"]

Figure = Callable[[Any], float]
"""From a turn's figures to one of them."""


class Spread(NamedTuple):
    """The median of the rounds, and the least and the most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """None of nothing."""
        return cls(statistics.median(values), min(values), max(values)) if values else None


class Faults(NamedTuple):
    """How many, and what the first one said."""

    count: int
    first: str


def peak(figures: Any) -> float:  # noqa: ANN401  JSON
    """The best rate of a closed loop, over all widths."""
    return max(float(phase["per_second"]) for phase in figures.values())


class Results:
    """All turns that are done."""

    def __init__(self, turns: Iterable[Done]) -> None:
        self.turns = list(turns)

    def contenders(self, part: str) -> list[str]:
        """Those that took turns, in their order."""
        return list(dict.fromkeys(turn.contender for turn in self.turns if turn.part == part))

    def cases(self, part: str) -> list[str]:
        """What was varied, in its order."""
        return list(dict.fromkeys(turn.case for turn in self.turns if turn.part == part))

    def rounds(self, part: str, contender: str, case: str = "") -> dict[int, Any]:
        """Figures by round."""
        wanted = (part, contender, case)
        return {turn.round: turn.figures for turn in self.turns if turn[:3] == wanted and not turn.missing}

    def missing(self, part: str) -> dict[str, str]:
        """Who brought nothing at all, and why."""
        found = {turn.contender: turn.missing for turn in self.turns if turn.part == part and turn.missing}
        return {who: why for who, why in found.items() if not self._has_any(part, who)}

    def _has_any(self, part: str, contender: str) -> bool:
        return any(turn.part == part and turn.contender == contender and not turn.missing for turn in self.turns)

    def spread(self, part: str, contender: str, case: str, figure: Figure) -> Spread | None:
        """Of one figure over the rounds that have it."""
        return Spread.of(_each(self.rounds(part, contender, case).values(), figure))

    def ratio(self, part: str, over: tuple[str, str], under: tuple[str, str], figure: Figure) -> Spread | None:
        """Of one figure of two `(contender, case)`, round by round: what drifts meanwhile drifts for both."""
        above, below = self.rounds(part, *over), self.rounds(part, *under)
        pairs = [(above[number], below[number]) for number in above.keys() & below.keys()]
        found = [_quotient(one, other, figure) for one, other in pairs]
        return Spread.of([value for value in found if value is not None])

    def faults(self) -> Mapping[str, Faults]:
        """How many answers were wrong, errors, or never came, in all turns; only of those contenders that had any."""
        found: dict[str, Faults] = {}
        for turn in self.turns:
            for phase in _phases(turn.figures):
                count = sum(int(phase.get(kind, 0)) for kind in ("wrong", "failed", "unanswered"))
                before = found.get(turn.contender, Faults(0, ""))
                found[turn.contender] = Faults(before.count + count, before.first or phase.get("complaint", ""))
        return {who: faults for who, faults in found.items() if faults.count}


def _each(rounds: Iterable[Any], figure: Figure) -> list[float]:
    found: list[float] = []
    for figures in rounds:
        try:
            found.append(figure(figures))
        except (KeyError, ValueError):  # a width or a load that this round does not have
            continue
    return found


def _quotient(one: Any, other: Any, figure: Figure) -> float | None:  # noqa: ANN401  JSON
    try:
        below = figure(other)
        return figure(one) / below if below else None
    except (KeyError, ValueError):
        return None


def _phases(figures: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401  JSON
    """Figures, and those within them."""
    if isinstance(figures, dict):
        yield figures
        for inner in figures.values():
            yield from _phases(inner)
