"""The Lua scripts, one a step, each in a file of its own; `_library.lua` is put in front of every one."""

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

from redis import exceptions as server

from predictq_broker.errors import BrokerUnavailable
from predictq_broker.redis.connection import command
from predictq_broker.redis.server import Server, ask_at_once

_declared: Final = re.compile(r"^local (?:function )?(\w+)", re.MULTILINE).findall

__all__ = ["Call", "Script", "Scripts", "source"]

_REPLICATED: Final = 2.0
"""Seconds that replicas get to confirm."""


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
        """Run it for each of these; those that are together in one round trip."""
        replies: dict[str, Any] = {}
        by_key = {call.keys[0]: call for call in calls}
        for keys in self._where.together(list(by_key)):
            pipeline = self._where.at(keys[0]).pipeline(transaction=False)
            for key in keys:
                command(pipeline, "EVALSHA", self._digest, *by_key[key].words)
            replies |= zip(keys, pipeline.execute(raise_on_error=False), strict=True)
        return [self._or_again(reply, by_key[key]) for key, reply in replies.items()]

    def _or_again(self, reply: Any, call: Call) -> Any:
        if isinstance(reply, server.NoScriptError | server.MovedError):
            return self(*call)
        if isinstance(reply, Exception):
            raise reply
        return reply


class ReplicatedScript(Script):
    """One whose effect must have reached replicas before it counts."""

    def _ask(self, key: str, *words: Any) -> Any:
        """What the script said. WAIT counts the replicas that have all that was written before it, by whomever:
        so the second time we send what was stored the first time, we wait for it all the same.
        """
        wanted = self._where.wait_replicas
        if not wanted:
            return super()._ask(key, *words)
        pipeline = self._where.at(key).pipeline(transaction=False)
        command(pipeline, *words)
        command(pipeline, "WAIT", wanted, round(_REPLICATED * 1000))
        reply, confirmed = pipeline.execute(raise_on_error=False)
        for said in (reply, confirmed):
            if isinstance(said, Exception):
                raise said
        if confirmed < wanted:
            raise BrokerUnavailable(
                f"stored, but {confirmed} instead of {wanted} replicas confirmed it within {_REPLICATED:g} s: "
                "unknown whether it would survive the loss of the server; look at the replicas"
            )
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
