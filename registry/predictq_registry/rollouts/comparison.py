"""Two releases that were asked the same: how often they agree, how far they are apart, and where most."""

from collections import Counter
from collections.abc import Iterable
from math import isfinite
from typing import Annotated, Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Comparison", "Contrast", "Pair", "contrast", "merged"]

MOST_WORST: Final = 20
MOST_POINTS: Final = 500
MOST_PAIRS: Final = 400
_CLOSE: Final = 1e-3
"""Numbers that differ by less than a thousandth of the larger one count as the same."""

Natural = Annotated[int, Field(ge=0)]


class Pair(BaseModel):
    """One request that both answered otherwise."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    distance: float
    champion: str
    challenger: str


class Comparison(BaseModel):
    """What both said to the same requests.

    Attributes:
        compared: Requests that both have answered.
        differing: Those of them whose answers differ.
        failed: Requests that only the champion could answer.
        dropped: Copies that were not made, for want of room or since the answer is of a kind that is not compared.
        distance: The sum of the distances of those compared.
        worst: The requests with the largest distances, the largest first.
        points: Of some requests, the number that each said first.
        labels: How often they said what to the same row, with a tab between the two.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    compared: Natural = 0
    differing: Natural = 0
    failed: Natural = 0
    dropped: Natural = 0
    distance: Annotated[float, Field(ge=0)] = 0.0
    worst: tuple[Pair, ...] = ()
    points: tuple[tuple[float, float], ...] = ()
    labels: dict[str, Natural] = Field(default_factory=dict)


class Contrast(NamedTuple):
    """How two answers to the same rows differ.

    Attributes:
        same: Whether they come to the same: equal labels, numbers a thousandth apart, the same largest score.
        distance: Between numbers, their difference; between labels 0 or 1; of several rows and scores the largest.
    """

    same: bool
    distance: float


def contrast(champion: Any, challenger: Any) -> Contrast:  # noqa: ANN401  whatever models predict
    """How the outputs of two releases for the same rows, as lists, differ."""
    if not (isinstance(champion, list) and isinstance(challenger, list)) or len(champion) != len(challenger):
        return Contrast(champion == challenger, float(champion != challenger))
    rows = [_row(ours, theirs) for ours, theirs in zip(champion, challenger, strict=True)]
    return Contrast(all(row.same for row in rows), max((row.distance for row in rows), default=0.0))


def _row(champion: Any, challenger: Any) -> Contrast:  # noqa: ANN401  as contrast
    if _is_number(champion) and _is_number(challenger):
        distance = abs(champion - challenger)
        return Contrast(distance <= _CLOSE * max(abs(champion), abs(challenger)), distance)
    if _are_scores(champion) and _are_scores(challenger) and len(champion) == len(challenger):
        distance = max(abs(ours - theirs) for ours, theirs in zip(champion, challenger, strict=True))
        return Contrast(champion.index(max(champion)) == challenger.index(max(challenger)), distance)
    return Contrast(champion == challenger, float(champion != challenger))


def _is_number(value: Any) -> bool:  # noqa: ANN401  as contrast
    return isinstance(value, float) and isfinite(value)


def _are_scores(value: Any) -> bool:  # noqa: ANN401  as contrast
    return isinstance(value, list) and bool(value) and all(_is_number(number) for number in value)


def merged(comparisons: Iterable[Comparison]) -> Comparison:
    """All of them as one."""
    every = list(comparisons)
    worst = sorted((pair for one in every for pair in one.worst), key=lambda pair: -pair.distance)
    points = [point for one in every for point in one.points]
    labels = sum((Counter(one.labels) for one in every), Counter[str]())
    return Comparison(
        compared=sum(one.compared for one in every),
        differing=sum(one.differing for one in every),
        failed=sum(one.failed for one in every),
        dropped=sum(one.dropped for one in every),
        distance=sum(one.distance for one in every),
        worst=tuple(worst[:MOST_WORST]),
        points=tuple(points[:MOST_POINTS]),
        labels=dict(labels.most_common(MOST_PAIRS)),
    )
