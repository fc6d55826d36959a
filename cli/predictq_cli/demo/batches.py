"""How large the worker's batches were, from its own metrics."""

import re
from collections import Counter
from itertools import pairwise
from typing import Final, NamedTuple

__all__ = ["Bucket", "read_batches"]

_LINE: Final = re.compile(rb'^predictq_batch_rows_bucket\{(?:[^}]*,)?le="([^"]+)"[^}]*\} ([0-9.e+]+)$', re.MULTILINE)


class Bucket(NamedTuple):
    """So many batches had more rows than `over` and at most `up_to`."""

    over: float
    up_to: float
    batches: int


def read_batches(before: bytes, after: bytes) -> list[Bucket]:
    """What two pages of metrics say of the batches between them, all releases together, without empty ends."""
    below = _below(after)
    below.subtract(_below(before))
    below[0.0] = 0
    buckets = [Bucket(low, high, below[high] - below[low]) for low, high in pairwise(sorted(below))]
    filled = [place for place, bucket in enumerate(buckets) if bucket.batches]
    return buckets[filled[0] : filled[-1] + 1] if filled else []


def _below(page: bytes) -> Counter[float]:
    """For each bound, how many batches had at most so many rows."""
    counts: Counter[float] = Counter()
    for bound, count in _LINE.findall(page):
        counts[float(bound)] += round(float(count))
    return counts
