"""Why a release does not serve, as a worker found when it loaded it: a few small notes beside the release."""

import hashlib
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from predictq_registry.clock import now
from predictq_registry.storage import Storage

__all__ = ["Refusal", "RefusalStore"]

_MOST: Final = 8
_MOST_BYTES: Final = 8192
_LONGEST: Final = 1000

Text = Annotated[str, Field(max_length=_LONGEST)]


class Refusal(BaseModel):
    """A release that a worker did not let serve. It says what was, not what is: the next worker may load it.

    Attributes:
        why: The reason.
        worker: Who found it.
        at: When for the first time, UTC, as ISO 8601.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    why: Text
    worker: Text
    at: Text


class RefusalStore:
    """Where they lie: `<model>/refusals/<version>/<digest of the reason>.json`, each reason once, at most eight."""

    def __init__(self, storage: Storage, model: str, version: int) -> None:
        self._storage = storage
        self._folder = f"{model}/refusals/{version}"

    def add(self, why: str, worker: str) -> None:
        """Keep this reason, unless it is there, or eight others are."""
        why = why[:_LONGEST]
        name = f"{hashlib.sha256(why.encode(errors='replace')).hexdigest()[:16]}.json"
        there = self._storage.names(self._folder)
        if name not in there and len(there) < _MOST:
            note = Refusal(why=why, worker=worker[:_LONGEST], at=now())
            self._storage.create_exclusive(f"{self._folder}/{name}", note.model_dump_json().encode(errors="replace"))

    def read(self) -> tuple[Refusal, ...]:
        """What workers wrote down, the first one first; what is no such note is left out."""
        names = [name for name in self._storage.names(self._folder) if name.endswith(".json")][:_MOST]
        found = (self._storage.read(f"{self._folder}/{name}") for name in names)
        notes = (_note(data) for data in found if data is not None and len(data) <= _MOST_BYTES)
        return tuple(sorted((note for note in notes if note is not None), key=lambda note: note.at))


def _note(data: bytes) -> Refusal | None:
    try:
        return Refusal.model_validate_json(data)
    except ValidationError:
        return None
