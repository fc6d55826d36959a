"""Which release an alias names, and which one is on its way there: a model's routing document.

A series of whole tables, each created exclusively, the highest one current: the history is the document's own.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from predictq_registry.clock import Words, now
from predictq_registry.errors import RegistryError, StoreError
from predictq_registry.rollouts.rollout import Rollout
from predictq_registry.storage import Storage

__all__ = ["Action", "AliasChange", "AliasLog", "Aliases", "Step"]

_DIGITS: Final = 9
_ATTEMPTS: Final = 1000

Version = Annotated[int, Field(ge=1)]
Action = Literal["set", "rollback", "begin", "step", "promote", "stop"]

_NO_ROLLOUTS: Final[Mapping[str, Rollout]] = MappingProxyType({})


class Aliases(NamedTuple):
    """The aliases of a model after change number `revision`; 0 and empty if there was none.

    Attributes:
        revision: The number of the change.
        table: The version that each alias names.
        rollouts: The release that is on its way to an alias, if there is one.
    """

    revision: int
    table: Mapping[str, int]
    rollouts: Mapping[str, Rollout] = _NO_ROLLOUTS


class AliasChange(BaseModel):
    """One change of one alias.

    Attributes:
        revision: Its number among all changes of the model's aliases, from 1.
        alias: What was changed.
        version: What the alias names since.
        previous: What it named before; None if it is new.
        action: `set`, or `rollback` to what it named earlier; of a rollout `begin`, `step`, and at its end `promote`,
            which sets the alias, or `stop`, which leaves it.
        author: Who did it.
        at: When, UTC, as ISO 8601.
        note: Why.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    revision: Annotated[int, Field(ge=1)]
    alias: str
    version: Version
    previous: Version | None
    action: Action
    author: Words
    at: str
    note: Words = ""


class _Entry(AliasChange):
    """A stored file of the series: the change, and the whole document after it."""

    table: dict[str, Version]
    rollouts: dict[str, Rollout] = Field(default_factory=dict)

    def change(self) -> AliasChange:
        """The change alone."""
        return AliasChange.model_validate(self.model_dump(exclude={"table", "rollouts"}))


class Step(NamedTuple):
    """What a change is to do, decided anew from the history whenever another writer was faster.

    `rollout` is what the alias has from then on: whatever is not carried on has ended. `about` is noted with it.
    """

    alias: str
    version: int
    action: Action
    rollout: Rollout | None = None
    about: str = ""


class AliasLog:
    """The series of alias tables of one model."""

    def __init__(self, storage: Storage, model: str) -> None:
        self._storage = storage
        self._folder = f"{model}/aliases"

    def current(self, known: dict[str, Aliases] | None = None) -> Aliases:
        """The newest table: one listing, and one small file unless `known` has it, by folder; it is kept there."""
        revisions = self._revisions()
        if not revisions:
            return Aliases(0, MappingProxyType({}))
        known = {} if known is None else known
        if self._folder not in known or known[self._folder].revision != revisions[-1]:  # a revision never changes
            entry = self._read(revisions[-1])
            table, rollouts = MappingProxyType(entry.table), MappingProxyType(entry.rollouts)
            known[self._folder] = Aliases(entry.revision, table, rollouts)
        return known[self._folder]

    def history(self) -> list[AliasChange]:
        """Every change, oldest first."""
        return [self._read(revision).change() for revision in self._revisions()]

    def change(self, decide: Callable[[Aliases], Step], author: str, note: str) -> AliasChange:
        """Write the next revision. If another writer takes its number first, decide and write again."""
        for _ in range(_ATTEMPTS):
            current = self.current()
            entry = _entry(current, decide(current), author, note)
            if self._storage.create_exclusive(self._path(entry.revision), entry.model_dump_json().encode()):
                return entry.change()
        raise RegistryError(f"{self._folder} changed {_ATTEMPTS} times while one change was tried: try again later")

    def _revisions(self) -> list[int]:
        names = self._storage.names(self._folder)
        digits = (name.removesuffix(".json") for name in names if name.endswith(".json"))
        return sorted(int(text) for text in digits if len(text) == _DIGITS and text.isascii() and text.isdigit())

    def _path(self, revision: int) -> str:
        return f"{self._folder}/{revision:0{_DIGITS}}.json"

    def _read(self, revision: int) -> _Entry:
        path = self._path(revision)
        data = self._storage.read(path)
        if data is None:
            raise StoreError(f"{path!r} is listed in the registry but not there; restore it")
        try:
            entry = _Entry.model_validate_json(data)
        except ValidationError as error:
            raise StoreError(f"{path!r} is not an alias table; restore it or remove it") from error
        if entry.revision != revision:
            raise StoreError(f"{path!r} says it is revision {entry.revision}; restore it or remove it")
        return entry


def _entry(current: Aliases, step: Step, author: str, note: str) -> _Entry:
    revision = current.revision + 1
    rollouts = {alias: rollout for alias, rollout in current.rollouts.items() if alias != step.alias}
    if step.rollout is not None:
        began = step.rollout.began or revision
        rollouts[step.alias] = step.rollout.model_copy(update={"began": began})
    return _Entry(
        revision=revision,
        alias=step.alias,
        version=step.version,
        previous=current.table.get(step.alias),
        action=step.action,
        author=author,
        at=now(),
        note=": ".join(filter(None, (step.about, note))),
        table={**current.table, step.alias: step.version},
        rollouts=rollouts,
    )
