"""A client's private reply-to: one stream for each model it asks, read together, emptied as it is read.

Its name says that it takes bundles: results that have all but `id` and `body` in common come in one entry.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple

from predictq_broker.messages import Result
from predictq_broker.names import INBOX_PREFIX, new_inbox_name
from predictq_broker.port import Limits
from predictq_broker.redis.connection import MAX_BLOCK, command
from predictq_broker.redis.entries import as_map
from predictq_broker.redis.keys import Keys
from predictq_broker.redis.pace import Pace
from predictq_broker.redis.parcels import COMMON, BadParcel, is_parcel, unpacked
from predictq_broker.redis.pool import Words, talk
from predictq_broker.redis.server import Server, ask
from predictq_broker.redis.waiting import Reads
from predictq_broker.wire import read_result, read_results

__all__ = ["RedisInbox"]

_MOST = 4096
"""Entries read at once."""
_BUNDLE = f"{INBOX_PREFIX}bundle."
_FORGET: Final = """
redis.call('XTRIM', KEYS[1], 'MINID', ARGV[1])
if redis.call('DECRBY', KEYS[2], ARGV[2]) <= 0 then redis.call('UNLINK', KEYS[2]) end
"""
"""A server without memory refuses DECRBY, but not in a script that has already written."""


class _Read(NamedTuple):
    """The last entry that was read, and how many results came in all of them beyond one each."""

    last: bytes
    more: int


class RedisInbox:
    """Implements `predictq_broker.Inbox`."""

    def __init__(self, where: Server, limits: Limits) -> None:
        self._where = where
        self._reads = Reads(where)
        self._pace = Pace()
        self._ttl = limits.inbox_ttl
        self._name = _BUNDLE + new_inbox_name().removeprefix(INBOX_PREFIX)
        self._changed = threading.Condition()
        self._read: dict[str, _Read] = {}  # stream -> what was read of it, to be removed by the next read
        self._streams: dict[str, str] = {}  # stream -> model
        self._signed: dict[str, float] = {}  # first stream of a group -> when all of it was told that we live
        self._closed = False

    @property
    def name(self) -> str:
        """As `Inbox.name`."""
        return self._name

    def expect(self, model: str) -> None:
        """As `Inbox.expect`."""
        stream = Keys.of(model).results(self._name)
        with self._changed:
            if stream in self._streams:
                return
            before, self._streams = self._streams, {**self._streams, stream: model}
            self._changed.notify_all()
        if before:
            self._wake(next(iter(before)))

    def _wake(self, stream: str) -> None:
        """End a read that sleeps in the server on the streams it knew when it began."""
        with self._where.trying("wake the inbox"):
            pipeline = self._where.at(stream).pipeline(transaction=False)
            pipeline.xadd(stream, {"wake": ""})
            pipeline.pexpire(stream, round(self._ttl * 1000))
            pipeline.execute()

    def receive(self, wait: float) -> Sequence[Result]:
        """As `Inbox.receive`."""
        deadline = time.monotonic() + wait
        while True:
            left = max(deadline - time.monotonic(), 0.0)
            with self._changed:
                if not self._closed and not self._streams:
                    self._changed.wait(left)
                if self._closed or not self._streams:
                    return []
                streams = self._streams
            self._pace.keep(len(streams), left)
            with self._where.trying("read results"):
                results = self._results(streams, min(left, MAX_BLOCK))
            self._pace.brought(len(results))
            if results or time.monotonic() >= deadline:
                return results

    @property
    def repeats(self) -> bool:
        """As `Inbox.repeats`."""
        return True

    def repeat(self) -> None:
        """As `Inbox.repeat`: what was read stays in its stream until a read after it removes it."""
        self._read.clear()

    def _results(self, streams: Mapping[str, str], wait: float) -> list[Result]:
        groups = self._where.together(list(streams))
        if len(groups) == 1 or wait <= 0:
            self._reads.close()  # a read that sleeps would tell the same results once more
            replies = [self._ask(group, wait) for group in groups]
        else:
            replies = list(self._reads.first({g[0]: partial(self._prepare, g, wait) for g in groups}, wait).values())
        found = [stream for reply in replies for stream in _told(reply)]
        results: list[Result] = []
        for stream, entries in found:
            name, before = stream.decode(), len(results)
            for _, fields in entries:
                results += _unbundled(streams[name], fields)
            if entries:
                self._read[name] = _Read(entries[-1][0], max(len(results) - before - len(entries), 0))
        return results

    def _ask(self, streams: Sequence[str], wait: float) -> Any:
        """One round trip: tidy, then read."""
        replies = talk(self._where.at(streams[0]), *self._tidying(streams), _read(streams, wait))
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        self._tidied(streams)
        return replies[-1]

    def _prepare(self, streams: Sequence[str], wait: float) -> Sequence[str | int]:
        """Tidy, and then the read that is to be sent on another connection."""
        pipeline = self._where.at(streams[0]).pipeline(transaction=False)
        for words in self._tidying(streams):
            command(pipeline, *words)
        pipeline.execute()
        self._tidied(streams)
        return _read(streams, wait)

    def _tidying(self, streams: Sequence[str]) -> list[Words]:
        """What removes what was read before, and gives a sign of life."""
        commands: list[Words] = []
        for stream in self._read.keys() & set(streams):
            last, more = self._read[stream]
            milliseconds, _, sequence = last.decode().partition("-")
            keep = f"{milliseconds}-{int(sequence) + 1}"
            if more:
                commands.append(("EVAL", _FORGET, 2, stream, _more(stream), keep, more))
            else:
                commands.append(("XTRIM", stream, "MINID", keep))
        now = time.monotonic()
        if now - self._signed.get(streams[0], 0.0) > self._ttl / 3:
            ttl = round(self._ttl * 1000)
            commands += [("PEXPIRE", key, ttl) for stream in streams for key in (stream, _more(stream))]
            self._signed[streams[0]] = now
        return commands

    def _tidied(self, streams: Sequence[str]) -> None:
        for stream in streams:
            self._read.pop(stream, None)

    def close(self) -> None:
        """As `Inbox.close`."""
        with self._changed:
            self._closed = True
            streams = self._streams
            self._changed.notify_all()
        if streams:
            self._wake(next(iter(streams)))
            self._reads.close()
            with self._where.trying("remove the inbox"):
                for group in self._where.together(list(streams)):
                    ask(self._where, group[0], "UNLINK", *group, *map(_more, group))


def _more(stream: str) -> str:
    """The key that counts the unread results beyond one an entry."""
    return f"{stream}:more"


def _unbundled(model: str, fields: Sequence[bytes]) -> Sequence[Result]:
    """The results in one entry: one, or a parcel of them."""
    if is_parcel(fields):
        with suppress(BadParcel):  # nobody can be told
            return read_results(model, as_map(fields[COMMON:]), *unpacked(fields))
    return (read_result(model, as_map(fields)),) if b"id" in fields[::2] else ()


def _read(streams: Sequence[str], wait: float) -> Sequence[str | int]:
    block: list[str | int] = ["BLOCK", max(round(wait * 1000), 1)] if wait > 0 else []
    return ["XREAD", "COUNT", _MOST, *block, "STREAMS", *streams, *("0" for _ in streams)]


def _told(reply: Any) -> Any:
    """The streams of a reply, each with its entries."""
    if isinstance(reply, Exception):
        raise reply
    return reply or []
