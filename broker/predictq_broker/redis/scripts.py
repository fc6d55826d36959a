"""The Lua scripts, one a step, each in a file of its own; what it needs of `_library.lua` is put in front of it."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

from redis import exceptions as server

from predictq_broker.errors import BrokerUnavailable
from predictq_broker.redis.pool import Words, talk
from predictq_broker.redis.server import Server, ask_at_once

__all__ = ["Call", "Script", "Scripts", "Step", "raised", "run", "source"]

_declared: Final = re.compile(r"^local (?:function )?(\w+)", re.MULTILINE).findall
_REPLICATED: Final = 2.0
"""Seconds that replicas get to confirm."""
_AT_ONCE: Final = 64
"""Calls in one round trip: what the first of them publishes is not held up by all the others."""


@cache
def source(name: str) -> str:
    """The text of `lua/<name>.lua` as the server gets it: its flags first, then the library, then the step."""
    folder = resources.files("predictq_broker.redis") / "lua"
    step = (folder / f"{name}.lua").read_text()
    library = (folder / "_library.lua").read_text()
    flags, body = step.split("\n", 1) if step.startswith("#!") else ("#!lua", step)
    return f"{flags}\n{_needed(library, body)}\n{body}"


def _needed(library: str, body: str) -> str:
    """Those paragraphs of the library that `body` needs: Lua makes each function anew at every call."""
    kept: list[str] = []
    for paragraph in reversed(library.split("\n\n")):
        names = _declared(paragraph)
        if any(re.search(rf"\b{name}\b", text) for name in names for text in (body, *kept)):
            kept.append(paragraph)
    return "\n\n".join(reversed(kept))


class Call(NamedTuple):
    """The keys and arguments of one call; the keys are of one model."""

    keys: Sequence[str]
    args: Sequence[Any]

    @property
    def words(self) -> tuple[Any, ...]:
        """What follows the script's name in a command."""
        return (len(self.keys), *self.keys, *self.args)


class Script:
    """One step, called by its digest; a server that does not know it is told its text."""

    replicated = False
    """Whether its effect must have reached replicas before it counts."""

    def __init__(self, where: Server, text: str) -> None:
        self._where = where
        self._text = text
        self._digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Run it where the keys are."""
        call = Call(keys, args)
        try:
            return self._ask(keys[0], "EVALSHA", self._digest, *call.words)
        except server.NoScriptError:
            return self._ask(keys[0], "EVAL", self._text, *call.words)

    def _ask(self, key: str, *words: Any) -> Any:
        return ask_at_once(self._where, key, *words)

    def each(self, calls: Sequence[Call]) -> list[Any]:
        """Run it for each of these; those that are together in few round trips."""
        return [raised(reply) for reply in run(self._where, [Step(self, call) for call in calls])]

    def command(self, call: Call) -> Words:
        """What calls it where it is known."""
        return ("EVALSHA", self._digest, *call.words)

    def or_again(self, reply: Any, call: Call) -> Any:
        """The reply to `command`, be it an error; or to a second try where nothing was done."""
        if not isinstance(reply, server.NoScriptError | server.MovedError):
            return reply
        try:
            return self(*call)
        except (server.ResponseError, BrokerUnavailable) as error:
            return error


class Step(NamedTuple):
    """A script, and one call of it."""

    script: Script
    call: Call


def run(where: Server, steps: Sequence[Step]) -> list[Any]:
    """What each of these said, in their order, be it an error; those that are together take few round trips."""
    if len(steps) == 1:  # as a rule
        return _told(where, steps)
    by_key: defaultdict[str, list[int]] = defaultdict(list)
    for n, step in enumerate(steps):
        by_key[step.call.keys[0]].append(n)
    replies: list[Any] = [None] * len(steps)
    for keys in where.together(list(by_key)):
        numbers = [n for key in keys for n in by_key[key]]
        for some in (numbers[first : first + _AT_ONCE] for first in range(0, len(numbers), _AT_ONCE)):
            for n, reply in zip(some, _told(where, [steps[n] for n in some]), strict=True):
                replies[n] = reply
    return replies


def _told(where: Server, steps: Sequence[Step]) -> list[Any]:
    """As `run`, in one round trip."""
    wanted = where.wait_replicas if steps[0].script.replicated else 0
    commands = [step.script.command(step.call) for step in steps]
    if wanted:
        commands.append(_wait(wanted))
    replies = talk(where.at(steps[0].call.keys[0]), *commands)
    told = [step.script.or_again(reply, step.call) for step, reply in zip(steps, replies, strict=False)]
    short = _unconfirmed(replies[-1], wanted) if wanted else None
    return told if short is None else [reply if isinstance(reply, Exception) else short for reply in told]


def _wait(wanted: int) -> Words:
    return ("WAIT", wanted, round(_REPLICATED * 1000))


def _unconfirmed(confirmed: Any, wanted: int) -> Exception | None:
    """What is to be said if fewer replicas than that have all that was written before, by whomever."""
    if isinstance(confirmed, Exception):
        return confirmed
    if confirmed >= wanted:
        return None
    return BrokerUnavailable(
        f"stored, but {confirmed} instead of {wanted} replicas confirmed it within {_REPLICATED:g} s: "
        "unknown whether it would survive the loss of the server; look at the replicas"
    )


def raised(reply: Any) -> Any:
    """The reply, raised if it is an error."""
    if isinstance(reply, Exception):
        raise reply
    return reply


class ReplicatedScript(Script):
    """One whose effect must have reached replicas before it counts."""

    replicated = True

    def _ask(self, key: str, *words: Any) -> Any:
        """What the script said. WAIT counts the replicas that have all that was written before it, by whomever:
        so the second time we send what was stored the first time, we wait for it all the same.
        """
        wanted = self._where.wait_replicas
        if not wanted:
            return super()._ask(key, *words)
        reply, confirmed = map(raised, talk(self._where.at(key), words, _wait(wanted)))
        if short := _unconfirmed(confirmed, wanted):
            raise short
        return reply


class Scripts(NamedTuple):
    """All steps. Only sending waits for replicas: what it stored would be lost with the server. Every other step
    moves something within the queue at once, so that losing it brings back the request as it was.
    """

    send: Script
    send_parcels: Script
    receive: Script
    renew: Script
    reclaim: Script
    release: Script
    settle: Script
    settle_parcels: Script
    bury: Script
    cancel: Script
    replay: Script
    ack: Script

    @classmethod
    def register(cls, where: Server, *, shebang: bool = True) -> "Scripts":
        """Prepare all scripts for `where`; without the first line for a server that knows no flags."""
        kinds = [ReplicatedScript if name.startswith("send") else Script for name in cls._fields]
        texts = [source(name) for name in cls._fields]
        return cls(*(k(where, t if shebang else t.split("\n", 1)[1]) for k, t in zip(kinds, texts, strict=True)))
