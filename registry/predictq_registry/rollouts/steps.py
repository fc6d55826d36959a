"""What each kind of change does to a routing document, decided from the document it finds."""

from collections.abc import Iterable, Sequence
from typing import Literal

from predictq_registry.aliases import AliasChange, Aliases, Step
from predictq_registry.errors import InvalidRollout, UnknownRef
from predictq_registry.rollouts.rollout import Rollout

__all__ = ["Changed", "back", "beginning", "carried_on", "named_in_turn"]


class Changed(Exception):
    """What a change was decided upon has changed itself."""


def beginning(model: str, alias: str, rollout: Rollout, current: Aliases) -> Step:
    """A rollout begins; to recreate is to move the alias at once, and to say how workers are to follow.

    Raises:
        UnknownRef: if there is no such alias, whose version it could replace.
        InvalidRollout: if the alias names that version already.
    """
    champion = current.table.get(alias)
    if champion is None:
        raise UnknownRef(
            f"alias {alias!r} of {model!r} names nothing yet, so there is nothing to roll out over: set it"
        )
    if champion == rollout.version:
        raise InvalidRollout(f"alias {alias!r} of {model!r} names version {rollout.version} already")
    begun = rollout.model_copy(update={"replaces": champion, "began": 0})
    about = _named(rollout)
    if (ended := current.rollouts.get(alias)) is not None and ended.version != champion:
        about += f", which ends the {_named(ended)}"
    if rollout.strategy == "recreate":
        return Step(alias, rollout.version, "set", begun, about)
    return Step(alias, champion, "begin", begun, about)


def _named(rollout: Rollout) -> str:
    return f"{rollout.strategy} of version {rollout.version}"


def carried_on(alias: str, seen: Rollout, then: Rollout | Literal["promote", "stop"], current: Aliases) -> Step:
    """The rollout `seen` goes on or ends; `Changed` if it is no longer as it was seen."""
    if current.rollouts.get(alias) != seen:
        raise Changed
    match then:
        case "promote":
            return Step(alias, seen.version, "promote")
        case "stop" if seen.strategy == "recreate":
            return Step(alias, seen.replaces, "rollback")
        case "stop":
            return Step(alias, current.table[alias], "stop")
        case Rollout():
            return Step(alias, current.table[alias], "step", then)


def back(model: str, alias: str, current: Aliases, history: Sequence[AliasChange]) -> Step:
    """A rollout under way is stopped; if there is none, the alias names what it named before.

    Raises:
        UnknownRef: if it named nothing before.
    """
    champion, rollout = current.table[alias], current.rollouts.get(alias)
    if rollout is not None and rollout.version != champion:
        return Step(alias, champion, "stop")
    named = named_in_turn(history)
    if len(named) == 1:
        raise UnknownRef(f"alias {alias!r} of {model!r} named nothing before version {named[0]}")
    return Step(alias, named[-2], "rollback")


def named_in_turn(history: Iterable[AliasChange]) -> list[int]:
    """The versions that the alias with this history came to name one after the other, but for what was rolled back."""
    stack: list[int] = []
    for change in history:
        if change.action == "rollback":
            stack.pop()
        elif stack[-1:] != [change.version]:
            stack.append(change.version)
    return stack
