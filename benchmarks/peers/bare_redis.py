"""The least that could answer a request through Redis: no leases, no recovery, no checks.

Requests are added in pipelines of up to 512; the worker reads 512, predicts them at once, and one script
acknowledges, replies and deletes. `python -m peers.bare_redis` works in one process; with `child` the model runs
in another one, over a pipe, while the next batch is read.
"""

import multiprocessing
import select
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import hiredis
import orjson
from load.client import Answer, Asked
from load.models import predict
from load.place import broker, the_model
from redis import Redis

REQUESTS, REPLIES, GROUP = "bare:requests", "bare:replies", "workers"
BATCH = 512
_FINISH = """
for n = 1, #ARGV, 3 do
  redis.call('XACK', KEYS[1], 'workers', ARGV[n])
  redis.call('XDEL', KEYS[1], ARGV[n])
  redis.call('XADD', KEYS[2], '*', 'id', ARGV[n + 1], 'body', ARGV[n + 2])
end
"""
Entry = tuple[bytes, list[bytes]]
Bodies = list[bytes]


def connected() -> Any:  # noqa: ANN401  a server's replies have no types
    """With replies as the server sends them: no dictionaries are made."""
    redis: Any = Redis.from_url(broker(), protocol=2, socket_timeout=None)  # it waits longer than a timeout allows
    redis.set_response_callback("XREADGROUP", lambda reply, **_: reply)
    return redis


class Queue:
    """The worker's side."""

    def __init__(self) -> None:
        self._redis = connected()
        self._redis.xgroup_create(REQUESTS, GROUP, id="0", mkstream=True)
        self._finish = self._redis.register_script(_FINISH)

    def read(self, block: int | None = 1000) -> list[Entry]:
        """Up to 512 requests; None does not wait."""
        wait = () if block is None else ("BLOCK", block)
        command = ("XREADGROUP", "GROUP", GROUP, "one", "COUNT", BATCH, *wait, "STREAMS", REQUESTS, ">")
        reply = self._redis.execute_command(*command)
        return reply[0][1] if reply else []

    def finish(self, entries: list[Entry], answers: Bodies) -> None:
        """All of a batch in one script."""
        args: list[Any] = []
        for (entry, fields), answer in zip(entries, answers, strict=True):
            args += (entry, fields[1], answer)
        self._finish(keys=[REQUESTS, REPLIES], args=args)


def answerer() -> Callable[[Bodies], Bodies]:
    """From bodies to bodies."""
    model = the_model()
    return lambda bodies: [
        orjson.dumps([label]) for label in predict(model, [orjson.loads(body)[0] for body in bodies])
    ]


def bodies(entries: list[Entry]) -> Bodies:
    """What was asked."""
    return [fields[3] for _, fields in entries]


def work_alone() -> None:
    """Read, predict, finish, for ever."""
    queue, answer = Queue(), answerer()
    while True:
        if entries := queue.read():
            queue.finish(entries, answer(bodies(entries)))


def work_with_child() -> None:
    """While the child predicts one batch the next one is read and the last one finished."""
    ours, theirs = multiprocessing.Pipe()
    multiprocessing.Process(target=_child, args=(theirs,), daemon=True).start()
    theirs.close()
    queue = Queue()
    entries = queue.read()
    while True:
        if not entries:
            entries = queue.read()
            continue
        ours.send_bytes(b"\0".join(bodies(entries)))
        following = queue.read(block=None)
        queue.finish(entries, ours.recv_bytes().split(b"\0"))
        entries = following


def _child(pipe: Any) -> None:  # noqa: ANN401  a connection, of a type that depends on the platform
    answer = answerer()
    while True:
        pipe.send_bytes(b"\0".join(answer(pipe.recv_bytes().split(b"\0"))))


class Replies:
    """The stream that comes back, on a connection of its own with a read always under way.

    The server is never told how long to wait: it looks at such times ten times a second, and would hold up for as long
    as that whoever has something to send meanwhile. What has been read is removed by the message that asks for more.
    """

    def __init__(self) -> None:
        url = urlsplit(broker())
        self._socket = socket.create_connection((url.hostname, url.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = hiredis.Reader()
        self._ask(b"0")

    def _ask(self, last: bytes) -> None:
        trim = hiredis.pack_command(("XTRIM", REPLIES, "MINID", last))
        read = hiredis.pack_command(("XREAD", "COUNT", 4096, "BLOCK", 0, "STREAMS", REPLIES, last))
        self._socket.sendall(trim + read)

    def read(self, seconds: float) -> list[Entry]:
        """What has come, or comes in time."""
        end = time.perf_counter() + seconds
        while not isinstance(reply := self._reader.gets(), list):  # nothing yet, or how many were trimmed
            if reply is False:
                if not select.select([self._socket], [], [], max(0.0, end - time.perf_counter()))[0]:
                    return []
                self._reader.feed(self._socket.recv(1 << 20))
        entries: list[Entry] = reply[0][1]
        self._ask(entries[-1][0])
        return entries

    def close(self) -> None:
        """Disconnect."""
        self._socket.close()


class Bare:
    """The asker's side: pipelines out, one stream back."""

    async def open(self) -> None:
        """Connect."""
        self._redis = connected()
        self._replies = Replies()

    async def send(self, asked: Sequence[Asked]) -> None:
        """In pipelines of 512."""
        for place in range(0, len(asked), BATCH):
            pipeline = self._redis.pipeline(transaction=False)
            for number, row in asked[place : place + BATCH]:
                pipeline.execute_command("XADD", REQUESTS, "*", "id", b"%032d" % number, "body", orjson.dumps([row]))
            pipeline.execute()

    async def receive(self, wait: float) -> Sequence[Answer]:
        """All that has come."""
        return [(int(fields[1]), orjson.loads(fields[3])[0]) for _, fields in self._replies.read(wait)]

    async def close(self) -> None:
        """Disconnect."""
        self._replies.close()
        self._redis.close()


if __name__ == "__main__":
    (work_with_child if "child" in sys.argv else work_alone)()
