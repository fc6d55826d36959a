"""A client's private reply-to: one stream for each model it asks, read together, emptied as it is read."""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from redis import Redis

from predictq_broker.messages import Result
from predictq_broker.names import new_inbox_name
from predictq_broker.port import Limits
from predictq_broker.redis.connection import MAX_BLOCK, command, translated
from predictq_broker.redis.entries import as_map
from predictq_broker.redis.keys import Keys
from predictq_broker.wire import read_result

__all__ = ["RedisInbox"]

_MOST = 4096
"""Results read at once."""


class RedisInbox:
    """Implements `predictq_broker.Inbox`."""

    def __init__(self, redis: Redis, limits: Limits) -> None:
        self._redis = redis
        self._ttl = limits.inbox_ttl
        self._name = new_inbox_name()
        self._changed = threading.Condition()
        self._read: dict[str, bytes] = {}  # stream -> the last entry read, removed by the next read
        self._streams: dict[str, str] = {}  # stream -> model
        self._signed = 0.0
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
        with translated("wake the inbox"):
            pipeline = self._redis.pipeline(transaction=False)
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
            with translated("read results"):
                results = self._results(streams, min(left, MAX_BLOCK))
            if results or time.monotonic() >= deadline:
                return results

    def _results(self, streams: Mapping[str, str], wait: float) -> list[Result]:
        block: list[str | int] = ["BLOCK", max(round(wait * 1000), 1)] if wait > 0 else []
        pipeline = self._redis.pipeline(transaction=False)
        before = self._tidy(pipeline, streams)
        command(pipeline, "XREAD", "COUNT", _MOST, *block, "STREAMS", *streams, *("0" for _ in streams))
        reply = pipeline.execute()[before] or []
        self._read = {stream.decode(): entries[-1][0] for stream, entries in reply if entries}
        return [
            read_result(streams[stream.decode()], fields)
            for stream, entries in reply
            for fields in (as_map(flat) for _, flat in entries)
            if b"wake" not in fields
        ]

    def _tidy(self, pipeline: Any, streams: Mapping[str, str]) -> int:
        """Remove what was read before and give a sign of life; returns how many commands that took."""
        commands = 0
        for stream, last in self._read.items():
            milliseconds, _, sequence = last.decode().partition("-")
            pipeline.xtrim(stream, minid=f"{milliseconds}-{int(sequence) + 1}", approximate=False)
            commands += 1
        if time.monotonic() - self._signed > self._ttl / 3:
            for stream in streams:
                pipeline.pexpire(stream, round(self._ttl * 1000))
            commands += len(streams)
            self._signed = time.monotonic()
        return commands

    def close(self) -> None:
        """As `Inbox.close`."""
        with self._changed:
            self._closed = True
            streams = self._streams
            self._changed.notify_all()
        if streams:
            self._wake(next(iter(streams)))
            with translated("remove the inbox"):
                self._redis.unlink(*streams)
