"""What the demo found: one value, told to people or to programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from predictq_cli.output import table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from predictq_cli.demo.batches import Bucket
    from predictq_cli.demo.phase import Figures

__all__ = ["Report"]

_WIDE: Final = 32


@dataclass(frozen=True)
class Report:
    """The demo's figures.

    Attributes:
        about: The broker in a few words.
        in_flight: Requests on their way at any moment.
        phases: What each phase came to, by name; `alone` and `steady` are among them.
        accuracy: By version, the share of the flowers it is right on.
        batches: How large the batches were.
        swap: Seconds from moving the alias to the first answer of version 2; None if none came.
    """

    about: str
    in_flight: int
    phases: Mapping[str, Figures]
    accuracy: Mapping[str, float]
    batches: Sequence[Bucket]
    swap: float | None

    @property
    def answered(self) -> int:
        """Requests that were answered, right or wrong."""
        return sum(phase["answered"] for phase in self.phases.values())

    @property
    def failed(self) -> int:
        """Requests that ended in an error."""
        return sum(phase["failed"] for phase in self.phases.values())

    @property
    def wrong(self) -> int:
        """Answers that are not what the release that gave them predicts."""
        return sum(phase["wrong"] for phase in self.phases.values())

    @property
    def ok(self) -> bool:
        """Whether everything went as it must."""
        return bool(self.answered) and not self.failed and not self.wrong and self.swap is not None

    @property
    def complaint(self) -> str:
        """The first thing that went wrong."""
        found = [phase["complaint"] for phase in self.phases.values() if phase["complaint"]]
        return found[0] if found else "" if self.ok else "no answer of version 2 came after the alias was moved"

    def by_version(self, version: str) -> int:
        """Requests that this version answered."""
        return sum(phase["versions"].get(version, 0) for phase in self.phases.values())

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "ok": self.ok,
            "complaint": self.complaint,
            "broker": self.about,
            "in_flight": self.in_flight,
            "requests": self.answered + self.failed,
            "failed": self.failed,
            "wrong": self.wrong,
            "by_version": {version: self.by_version(version) for version in self.accuracy},
            "accuracy": dict(self.accuracy),
            "swap_seconds": self.swap,
            "phases": dict(self.phases),
            "batch_rows": [bucket._asdict() for bucket in self.batches],
        }

    def text(self) -> str:
        """For people."""
        steady, alone = self.phases["steady"], self.phases["alone"]
        rows = [
            ("requests", f"{self.answered + self.failed:,}"),
            ("failed", self.failed),
            ("wrong answers", self.wrong),
            *((f"answered by version {version}", f"{self.by_version(version):,}") for version in self.accuracy),
            *((f"accuracy of version {version}", f"{share:.1%}") for version, share in self.accuracy.items()),
            ("requests a second", f"{steady['per_second']:,.0f}"),
            (f"p50 / p99, {self.in_flight:,} in flight", f"{steady['p50']:.1f} / {steady['p99']:.1f} ms"),
            ("p50 / p99, one at a time", f"{alone['p50']:.2f} / {alone['p99']:.2f} ms"),
        ]
        return f"{table(('', self.about), rows)}\n\n{self._chart()}"

    def _chart(self) -> str:
        if not self.batches:
            return ""
        most = max(bucket.batches for bucket in self.batches)
        lines = [_bar(bucket, most) for bucket in self.batches]
        return "\n".join(["rows in a batch, and how many such batches", *lines])


def _bar(bucket: Bucket, most: int) -> str:
    first = int(bucket.over) + 1
    span = f"{first:,}" if bucket.up_to == first else f"{first:,}-{bucket.up_to:,.0f}"
    length = round(_WIDE * bucket.batches / most)
    return f"{span:>11}  {'█' * length or '▏'} {bucket.batches:,}"
