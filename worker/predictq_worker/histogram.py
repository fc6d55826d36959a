"""A histogram that takes a whole batch of observations at once; prometheus_client's takes a lock for each."""

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

__all__ = ["ROWS", "SECONDS", "BatchHistogram"]

SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
ROWS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0, 16384.0, 65536.0)


class BatchHistogram(Collector):
    """Counts in buckets, for each combination of labels."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str], bounds: Sequence[float]) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = labels
        self._bounds = bounds
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}

    def observe(self, labels: tuple[str, ...], values: Iterable[tuple[float, int]]) -> None:
        """Count each value, in the unit that the name ends with, so many times."""
        bounds = self._bounds
        with self._lock:
            counts = self._counts.setdefault(labels, [0] * (len(bounds) + 1))
            for value, times in values:
                counts[bisect_left(bounds, value)] += times
                self._sums[labels] = self._sums.get(labels, 0.0) + value * times

    def collect(self) -> Iterator[Metric]:
        """As prometheus_client asks for it."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
        with self._lock:
            for labels, counts in self._counts.items():
                family.add_metric(labels, self._buckets(counts), self._sums[labels])
        yield family

    def _buckets(self, counts: Iterable[int]) -> list[tuple[str, float]]:
        bounds = [*(str(bound) for bound in self._bounds), "+Inf"]
        return [(bound, float(count)) for bound, count in zip(bounds, accumulate(counts), strict=True)]
