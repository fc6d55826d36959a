"""Sleeping until something comes, wherever the streams are.

On one server a single blocking read names all streams. In a cluster one read may name the streams of one slot
only, so there is a read for each, on a connection of its own, and we sleep on all of them at once. A read that was
not answered goes on sleeping, and its answer is taken the next time. None of these reads takes anything out of a
stream: whatever happens to one, nothing is lost.
"""

import select
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from redis import exceptions as server

from predictq_broker.redis.connection import ANSWER, MAX_BLOCK, command
from predictq_broker.redis.refusals import absent
from predictq_broker.redis.server import Server, ask

__all__ = ["Reads", "until_new"]

Words = Sequence[bytes | str | float]
_OVERDUE: Final = MAX_BLOCK + ANSWER


@dataclass
class _Read:
    """A connection of our own, and since when a read sleeps on it; None if none does."""

    pool: Any  # redis-py's types for these differ from version to version
    connection: Any
    begun: float | None = None


class Reads:
    """Blocking reads of several slots, each on a connection of its own."""

    def __init__(self, where: Server) -> None:
        self._where = where
        self._lock = threading.Lock()
        self._reads: dict[str, _Read] = {}

    def first(self, asked: Mapping[str, Callable[[], Words]], wait: float) -> dict[str, Any]:
        """Sleep until there is an answer; all that have come then, errors among them, or none within `wait` seconds.

        Args:
            asked: For a key of each slot what to ask there, unless a read of that slot sleeps already.
            wait: In seconds.
        """
        with self._lock:
            try:
                for key, words in asked.items():
                    self._begin(key, words)
                return {key: self._end(self._reads[key]) for key in self._answered(list(asked), wait)}
            except BaseException:
                self._drop()
                raise

    def _begin(self, key: str, words: Callable[[], Words]) -> None:
        read, pool = self._reads.get(key), self._where.at(key).connection_pool
        if read is None or read.pool is not pool:  # the first time, or the slot was moved
            if read is not None:
                read.connection.disconnect()
            read = self._reads[key] = _Read(pool, pool.make_connection())
        if read.begun is None:
            read.connection.send_packed_command(read.connection.pack_commands([words()]))
            read.begun = time.monotonic()

    def _answered(self, keys: Sequence[str], wait: float) -> list[str]:
        poll, by_number = select.poll(), dict[int, str]()
        for key in keys:
            number = self._reads[key].connection._sock.fileno()  # noqa: SLF001  there is no other way to wait for many
            by_number[number] = key
            poll.register(number, select.POLLIN)
        found = [by_number[number] for number, _ in poll.poll(round(wait * 1000))]
        overdue = time.monotonic() - _OVERDUE
        if any((self._reads[key].begun or overdue) < overdue for key in keys if key not in found):
            raise server.TimeoutError("no answer in time")
        return found

    @staticmethod
    def _end(read: _Read) -> Any:
        read.begun = None
        try:
            return read.connection.read_response()
        except server.ResponseError as error:
            return error

    def _drop(self) -> None:
        for read in self._reads.values():
            read.connection.disconnect()
        self._reads.clear()

    def close(self) -> None:
        """End all reads."""
        with self._lock:
            self._drop()


def until_new(where: Server, reads: Reads, streams: Sequence[str], group: str, wait: float) -> list[str]:
    """Sleep until one of these streams has an entry that `group` was not given, for at most `wait` seconds.

    Returns those of the streams that should be looked at.
    """
    together = where.together(streams)
    if len(together) == 1:
        replies = {streams[0]: _reply(where, streams[0], _new(where, streams, group, wait))}
    else:
        replies = reads.first({keys[0]: partial(_new, where, keys, group, wait) for keys in together}, wait)
    return [stream for keys in together if _something(replies.get(keys[0])) for stream in keys]


def _reply(where: Server, key: str, words: Words) -> Any:
    try:
        return ask(where, key, *words)
    except server.ResponseError as error:
        return error


def _new(where: Server, streams: Sequence[str], group: str, wait: float) -> Words:
    """The read that sleeps until there is an entry after the last one that the group was given."""
    pipeline = where.at(streams[0]).pipeline(transaction=False)
    for stream in streams:
        command(pipeline, "XINFO GROUPS", stream)
    ends = [_end(reply, group) for reply in pipeline.execute(raise_on_error=False)]
    return ["XREAD", "COUNT", 1, "BLOCK", max(round(wait * 1000), 1), "STREAMS", *streams, *ends]


def _end(reply: Any, group: str) -> bytes:
    groups = [] if absent(reply) else reply
    return next((found["last-delivered-id"] for found in groups if found["name"] == group.encode()), b"0")


def _something(reply: Any) -> bool:
    """Whether a read found an entry. One that the server broke off may have, so it is looked at."""
    if isinstance(reply, Exception):
        if not isinstance(reply, server.ResponseError) or not str(reply).startswith("UNBLOCKED"):
            raise reply
        return True
    return bool(reply)
