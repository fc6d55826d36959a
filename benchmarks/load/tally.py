"""Counts answers and keeps every latency."""

import time
from array import array
from typing import Any, TypedDict

from load.client import Failed

__all__ = ["Figures", "Tally", "quantile"]


class Figures(TypedDict):
    """What one phase came to; times in seconds.

    `total` counts the answers of the warm-up too: processor time is divided by it.
    """

    seconds: float
    answered: int
    failed: int
    wrong: int
    unanswered: int
    total: int
    per_second: float
    p50: float
    p90: float
    p99: float
    p999: float
    worst: float
    complaint: str


class Tally:
    """One phase. The clock is monotonic."""

    def __init__(self) -> None:
        self.total = 0
        self.start()

    def start(self) -> None:
        """The warm-up is over: count from here."""
        self._began = time.perf_counter()
        self._latencies = array("d")
        self._failed = self._wrong = 0
        self._complaint = ""

    def add(self, latency: float, answer: Any, right: Any) -> None:  # noqa: ANN401  labels of any model
        """An answer, or a failure, that came after `latency` seconds."""
        self.total += 1
        if answer == right:
            self._latencies.append(latency)
        elif isinstance(answer, Failed):
            self._failed += 1
            self._complaint = self._complaint or answer.why
        else:
            self._wrong += 1
            self._complaint = self._complaint or f"answered {answer!r}, right is {right!r}"

    def figures(self, unanswered: int = 0) -> Figures:
        """Up to now."""
        seconds = time.perf_counter() - self._began
        ordered = sorted(self._latencies)
        return Figures(
            seconds=seconds,
            answered=len(ordered),
            failed=self._failed,
            wrong=self._wrong,
            unanswered=unanswered,
            total=self.total,
            per_second=len(ordered) / seconds,
            p50=quantile(ordered, 0.5),
            p90=quantile(ordered, 0.9),
            p99=quantile(ordered, 0.99),
            p999=quantile(ordered, 0.999),
            worst=quantile(ordered, 1.0),
            complaint=self._complaint[:300],
        )


def quantile(ordered: list[float], share: float) -> float:
    """The smallest value that at least this share does not exceed; 0.0 of nothing."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
