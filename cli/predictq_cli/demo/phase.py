"""What one phase of the load came to: counted by the load generator, read by the demo."""

from __future__ import annotations

import time
from array import array
from collections import Counter
from typing import TypedDict

__all__ = ["Figures", "Phase", "quantile"]


class Figures(TypedDict):
    """One line of the load generator's report. Times in milliseconds."""

    phase: str
    ended: bool
    seconds: float
    answered: int
    failed: int
    wrong: int
    versions: dict[str, int]
    per_second: float
    p50: float
    p99: float
    complaint: str


class Phase:
    """Counts answers and keeps every latency."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._began = time.perf_counter()
        self._latencies = array("d")
        self._versions: Counter[int] = Counter()
        self._failed = 0
        self._wrong = 0
        self._complaint = ""

    def answered(self, seconds: float, version: int, *, right: bool) -> None:
        """An answer came after so many seconds."""
        self._latencies.append(seconds)
        self._versions[version] += 1
        if not right:
            self._wrong += 1
            self._complaint = self._complaint or f"version {version} answered what it does not predict"

    def failed(self, complaint: str) -> None:
        """A request ended in an error."""
        self._failed += 1
        self._complaint = self._complaint or complaint

    def figures(self, *, ended: bool) -> Figures:
        """How it stands. Percentiles are found only when it has ended: until then they are 0."""
        seconds = time.perf_counter() - self._began
        ordered = sorted(self._latencies) if ended else []
        return Figures(
            phase=self.name,
            ended=ended,
            seconds=seconds,
            answered=len(self._latencies),
            failed=self._failed,
            wrong=self._wrong,
            versions={str(version): count for version, count in sorted(self._versions.items())},
            per_second=len(self._latencies) / seconds if seconds else 0.0,
            p50=1e3 * quantile(ordered, 0.50),
            p99=1e3 * quantile(ordered, 0.99),
            complaint=self._complaint,
        )


def quantile(ordered: list[float], share: float) -> float:
    """The smallest of the ordered values that at least `share` of them do not exceed; 0.0 of none."""
    if not ordered:
        return 0.0
    return ordered[min(max(-int(-share * len(ordered) // 1) - 1, 0), len(ordered) - 1)]
