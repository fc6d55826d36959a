"""What an experiment shows: the difference between its arms, and how far that may be off."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from math import sqrt
from statistics import fmean, variance
from typing import NamedTuple

from predictq_registry.rollouts.experiments import Segment
from predictq_registry.rollouts.rollout import CHALLENGER, CHAMPION

__all__ = ["Effect", "Group", "effect_of", "group_of"]


class Group(NamedTuple):
    """One arm. What happens to the same key hangs together, so a key counts once, with the mean of its outcomes.

    Attributes:
        exposed: Requests it answered.
        outcomes: Those of them whose outcome was reported.
        units: The keys that these belong to; a request without a key is one by itself.
        mean: Of the units.
        spread: The variance of the units.
    """

    exposed: int
    outcomes: int
    units: int
    mean: float
    spread: float


class Effect(NamedTuple):
    """Challenger minus champion, with the interval that holds the true difference with the asked confidence."""

    difference: float
    low: float
    high: float
    degrees: float
    """Of freedom, by Welch and Satterthwaite."""


def group_of(segments: Iterable[Segment], arm: str) -> Group:
    """What is known of one arm. A request whose answer the champion had to give belongs to the arm it fell to."""
    exposed, outcomes = _joined(segments)
    mine = exposed[arm] if arm == CHALLENGER else _without(exposed[arm], exposed[CHALLENGER])
    values: defaultdict[str, list[float]] = defaultdict(list)
    for request, unit in mine.items():
        if request in outcomes:
            values[unit or request].append(outcomes[request])
    means = [fmean(found) for found in values.values()]
    spread = variance(means) if len(means) > 1 else 0.0
    reported = sum(map(len, values.values()))
    return Group(len(mine), reported, len(means), fmean(means) if means else 0.0, spread)


def _joined(segments: Iterable[Segment]) -> tuple[dict[str, dict[str, str]], dict[str, float]]:
    whole = Segment(exposed={CHAMPION: {}, CHALLENGER: {}})
    exposed, outcomes = whole.exposed, whole.outcomes
    for segment in segments:
        for arm, requests in segment.exposed.items():
            exposed.setdefault(arm, {}).update(requests)
        outcomes.update(segment.outcomes)
    return exposed, outcomes


def _without(requests: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str]:
    return {request: unit for request, unit in requests.items() if request not in others}


def effect_of(champion: Group, challenger: Group, confidence: float = 0.95) -> Effect | None:
    """Welch's interval for the difference of the means; None while an arm has fewer than two units.

    It holds for one look at the end of an experiment whose length was fixed before. Whoever looks often and stops when
    the interval leaves zero is misled more often than `confidence` says.
    """
    if min(champion.units, challenger.units) < 2:
        return None
    from scipy.stats import t

    ours, theirs = challenger.spread / challenger.units, champion.spread / champion.units
    difference, error = challenger.mean - champion.mean, sqrt(ours + theirs)
    if not error:
        return Effect(difference, difference, difference, 0.0)
    degrees = (ours + theirs) ** 2 / (ours**2 / (challenger.units - 1) + theirs**2 / (champion.units - 1))
    margin = float(t.ppf((1 + confidence) / 2, degrees)) * error
    return Effect(difference, difference - margin, difference + margin, degrees)
