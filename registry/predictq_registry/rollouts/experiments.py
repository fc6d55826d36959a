"""Who was shown what in an experiment, and what came of it: small files, each written by one worker alone.

    <model>/experiments/<revision it began with>/<worker>-<number>.json

A worker replaces its newest file as it sees more, until that is full and the next one begins; so nothing is lost
that was written, and nobody writes into another's file.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from predictq_registry.storage import Storage

__all__ = ["FEEDBACK", "ExperimentFull", "ExperimentStore", "Segment", "newest_experiment"]

FEEDBACK: Final = "feedback"
"""The ref to which outcomes are reported; no alias may be called so."""
_ENTRIES: Final = 5000
_SEGMENTS: Final = 200
"""Of one worker: a million entries in all."""

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class ExperimentFull(Exception):
    """A worker has written as much of one experiment as it may."""


class Segment(BaseModel):
    """A part of what one worker saw.

    Attributes:
        exposed: By arm, the ids of the requests it answered, each with its unit: what its key stands for; empty if
            it has none.
        outcomes: What was reported of requests, by id.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    exposed: dict[str, dict[str, str]] = Field(default_factory=dict)
    outcomes: dict[str, float] = Field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.outcomes) + sum(map(len, self.exposed.values()))

    def plus(self, other: "Segment") -> "Segment":
        """Both; what `other` says of the same id counts."""
        arms = {*self.exposed, *other.exposed}
        exposed = {arm: {**self.exposed.get(arm, _NONE), **other.exposed.get(arm, _NONE)} for arm in arms}
        return Segment(exposed=exposed, outcomes={**self.outcomes, **other.outcomes})


class ExperimentStore:
    """What one worker writes of one experiment, and what all have written."""

    def __init__(self, storage: Storage, model: str, began: int, worker: str) -> None:
        self._storage = storage
        self._folder = f"{model}/experiments/{began}"
        self._worker = worker
        self._number = 0
        self._current = Segment()

    def add(self, segment: Segment) -> None:
        """Write down what was seen since the last call; once it returns it is stored.

        Raises:
            ExperimentFull: if this worker has written as much as it may; nothing was added.
        """
        if self._number >= _SEGMENTS:
            raise ExperimentFull
        current = self._current.plus(segment)
        path = f"{self._folder}/{self._worker}-{self._number:03}.json"
        self._storage.write_once(path, current.model_dump_json().encode())
        self._current = current
        if len(current) >= _ENTRIES:
            self._number, self._current = self._number + 1, Segment()

    def read(self) -> list[Segment]:
        """What all have written; a file that cannot be understood counts as not there."""
        files = (self._storage.read(f"{self._folder}/{name}") for name in self._storage.names(self._folder))
        segments = (_understood(data) for data in files)
        return [segment for segment in segments if segment is not None]


def _understood(data: bytes | None) -> Segment | None:
    try:
        return Segment.model_validate_json(data or b"")
    except ValidationError:
        return None


def newest_experiment(storage: Storage, model: str) -> int:
    """The revision with which the model's newest experiment began; 0 if there was none."""
    return max((int(name) for name in storage.names(f"{model}/experiments") if name.isdecimal()), default=0)
