"""What workers saw of a rollout: one small file for each worker, written by it alone and replaced as it sees more."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from predictq_registry.rollouts.comparison import Comparison, merged
from predictq_registry.rollouts.confidence import Count
from predictq_registry.storage import Storage

__all__ = ["Arm", "ObservationStore", "Report", "Seen", "forget_old", "newest_rollout", "together"]

Counts = dict[str, Annotated[int, Field(ge=0)]]

_MOST_REPORTS: Final = 10_000
_KEPT: Final = {"observations": 20, "experiments": 5}
"""How many of each are kept of a model."""


class Arm(BaseModel):
    """What one arm did.

    Attributes:
        answers: Requests that came to an end.
        errors: Those that ended with an error the model is to blame for.
        batches: Batches, by how long they took: see `predictq_worker`'s tally for the buckets.
        outputs: Answers, by what was predicted for the first row.
        memory: The most bytes a runner held.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    answers: Annotated[int, Field(ge=0)] = 0
    errors: Annotated[int, Field(ge=0)] = 0
    batches: Counts = Field(default_factory=dict)
    outputs: Counts = Field(default_factory=dict)
    memory: Annotated[int, Field(ge=0)] = 0


class Seen(BaseModel):
    """Both arms, and what both said to the same.

    Attributes:
        champion: Of the version that the alias names.
        challenger: Of the version that is rolled out.
        comparison: What both said to the same requests.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    champion: Arm = Arm()
    challenger: Arm = Arm()
    comparison: Comparison = Comparison()

    @property
    def disagreement(self) -> Count:
        """How many of those compared differ."""
        return Count(self.comparison.differing, self.comparison.compared)


class Report(Seen):
    """What one worker saw, from when it first took part."""

    worker: str


class ObservationStore:
    """The reports on one rollout: `<model>/observations/<revision it began with>/<worker>.json`."""

    def __init__(self, storage: Storage, model: str, began: int) -> None:
        self._storage = storage
        self._folder = f"{model}/observations/{began}"

    def write(self, report: Report) -> None:
        """In place of what the same worker wrote before."""
        self._storage.write_once(f"{self._folder}/{report.worker}.json", report.model_dump_json().encode())

    def read(self) -> list[Report]:
        """Every report there is; one that cannot be understood counts as not there."""
        names = [name for name in self._storage.names(self._folder) if name.endswith(".json")][:_MOST_REPORTS]
        found = (_understood(self._storage.read(f"{self._folder}/{name}")) for name in names)
        return [report for report in found if report is not None]


def _understood(data: bytes | None) -> Report | None:
    try:
        return Report.model_validate_json(data or b"")
    except (ValidationError, json.JSONDecodeError):
        return None


def newest_rollout(storage: Storage, model: str) -> int:
    """The revision with which the newest rollout of which anything was seen began; 0 if there was none."""
    return max((int(name) for name in storage.names(f"{model}/observations") if name.isdecimal()), default=0)


def forget_old(storage: Storage, model: str) -> None:
    """Remove what was seen of all but the newest rollouts and experiments of a model."""
    for folder, kept in _KEPT.items():
        begun = sorted((name for name in storage.names(f"{model}/{folder}") if name.isdecimal()), key=int)
        for old in begun[:-kept]:
            storage.remove_folder(f"{model}/{folder}/{old}")


def together(reports: Iterable[Seen]) -> Seen:
    """What all of them saw."""
    every = list(reports)
    return Seen(
        champion=_sum(seen.champion for seen in every),
        challenger=_sum(seen.challenger for seen in every),
        comparison=merged(seen.comparison for seen in every),
    )


def _sum(arms: Iterable[Arm]) -> Arm:
    every = list(arms)
    return Arm(
        answers=sum(arm.answers for arm in every),
        errors=sum(arm.errors for arm in every),
        batches=dict(sum((Counter(arm.batches) for arm in every), Counter[str]())),
        outputs=dict(sum((Counter(arm.outputs) for arm in every), Counter[str]())),
        memory=max((arm.memory for arm in every), default=0),
    )
