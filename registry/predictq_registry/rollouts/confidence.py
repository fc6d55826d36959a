"""How much is known of a share after so many looks, however often one looks.

The intervals are confidence sequences: the true share lies in *all* of them, at every moment, with probability
1 - alpha. So a rollout may be judged twice a second without the error growing with the number of looks. They come
from the mixture martingale of Robbins (1970) for a coin: the likelihood of what was seen, averaged over the arcsine
prior of all shares, against its likelihood under one share; by Ville's inequality the ratio ever exceeds 1/alpha with
probability alpha at most. What is assumed is that each look has the same share, whatever the looks before it showed.
"""

from math import lgamma, log, pi
from typing import Final, NamedTuple

__all__ = ["Count", "interval", "surely_more"]

_STEPS: Final = 40
"""Halvings of [0, 1]: to 1e-12."""


class Count(NamedTuple):
    """`hits` of `looks` were so."""

    hits: int
    looks: int


def interval(count: Count, alpha: float) -> tuple[float, float]:
    """The least and the largest share that fit what was seen; with probability 1 - alpha the true one always does."""
    hits, looks = count
    if not looks:
        return 0.0, 1.0
    peak = hits / looks
    low = _edge(count, alpha, 0.0, peak) if hits else 0.0
    high = _edge(count, alpha, 1.0, peak) if hits < looks else 1.0
    return low, high


def surely_more(one: Count, other: Count, margin: float, alpha: float) -> bool:
    """Whether the share of `one` is larger than that of `other` by more than `margin`; wrong with probability alpha."""
    return interval(one, alpha / 2)[0] > interval(other, alpha / 2)[1] + margin


def _edge(count: Count, alpha: float, outside: float, inside: float) -> float:
    """Where the shares that fit end, between one that does not and one that does."""
    for _ in range(_STEPS):
        middle = (outside + inside) / 2
        if _evidence_against(middle, count) > -log(alpha):
            outside = middle
        else:
            inside = middle
    return outside


def _evidence_against(share: float, count: Count) -> float:
    """The logarithm of the likelihood of all shares, averaged, against that of one."""
    hits, misses = count.hits, count.looks - count.hits
    if (share <= 0 and hits) or (share >= 1 and misses):
        return float("inf")
    averaged = lgamma(hits + 0.5) + lgamma(misses + 0.5) - lgamma(count.looks + 1) - log(pi)
    alone = (hits * log(share) if hits else 0.0) + (misses * log(1 - share) if misses else 0.0)
    return averaged - alone
