"""Connections that stand ready, and a way to use them that costs a third of redis-py's: a lone request feels it."""

import select
from collections.abc import Sequence
from typing import Any

import hiredis
from redis import ConnectionPool, Redis
from redis import exceptions as server

__all__ = ["Pool", "Words", "quick", "talk"]

Words = Sequence[bytes | str | float]


class Pool(ConnectionPool):
    """As redis-py's, less what that records for telemetry at each use."""

    def get_connection(self, *_: Any, **__: Any) -> Any:
        """One that is connected, and has nothing unread."""
        self._checkpid()
        with self._lock:
            connection: Any = self._available_connections.pop() if self._available_connections else None
            connection = connection or self.make_connection()
            self._in_use_connections.add(connection)
        try:
            _make_ready(connection)
        except BaseException:
            self.release(connection)
            raise
        return connection

    def release(self, connection: Any) -> None:
        """Take it back; one of before a fork is the parent's."""
        self._checkpid()
        with self._lock:
            if connection in self._in_use_connections:
                self._in_use_connections.remove(connection)
                self._available_connections.append(connection)


def _make_ready(connection: Any) -> None:
    socket = connection._sock  # noqa: SLF001  redis-py's own ways to ask cost as much as the command
    if socket is not None:
        poll = select.poll()
        poll.register(socket, select.POLLIN)
        if not poll.poll(0):
            return
        connection.disconnect()  # the server closed it, or says what nobody asked
    connection.connect()


def quick(redis: "Redis") -> "Redis":
    """Give a client that is not connected yet a pool of ours."""
    theirs: Any = redis.connection_pool
    redis.connection_pool = Pool(connection_class=theirs.connection_class, **theirs.connection_kwargs)
    return redis


def talk(redis: "Redis", *commands: Words) -> list[Any]:
    """Send these in one go; returns the answers as they come from the server, be it a `ResponseError`.

    Raises:
        RedisError: if an answer is missing; then nobody knows what was done.
    """
    pool: Any = redis.connection_pool
    if not isinstance(pool, Pool):  # a server in memory, or one that Sentinel may change
        return _through_pipeline(redis, commands)
    connection = pool.get_connection()
    try:
        connection.send_packed_command([b"".join(map(_packed, commands))])
        return [_answer(connection) for _ in commands]
    except BaseException:
        connection.disconnect()  # or what was not read would be taken for the next answer
        raise
    finally:
        pool.release(connection)


def _packed(words: Words) -> bytes:
    command: Any = tuple(words)  # its type says that there is one word only
    return bytes(hiredis.pack_command(command))


def _answer(connection: Any) -> Any:
    try:
        return connection.read_response()
    except server.ResponseError as error:
        return error


def _through_pipeline(redis: "Redis", commands: Sequence[Words]) -> list[Any]:
    pipeline: Any = redis.pipeline(transaction=False)
    for words in commands:
        pipeline.execute_command(*words)
    replies: list[Any] = pipeline.execute(raise_on_error=False)
    return replies
