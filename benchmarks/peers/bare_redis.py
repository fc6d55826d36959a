"""The least that could answer a request through Redis: no leases, no recovery, no checks.

Requests are added in pipelines of up to 512; the worker reads 512, predicts them at once, and one script
acknowledges, replies and deletes. `python -m peers.bare_redis` works in one process; with `child` the model runs
in another one, over a pipe, while the next batch is read.
"""

import asyncio
import multiprocessing
import sys
from collections.abc import Callable, Sequence
from typing import Any

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
    for name in ("XREAD", "XREADGROUP"):
        redis.set_response_callback(name, lambda reply, **_: reply)
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


class Bare:
    """The asker's side: pipelines out, one stream back."""

    async def open(self) -> None:
        """Connect."""
        self._redis = connected()
        self._last: bytes | str = "0"

    async def send(self, asked: Sequence[Asked]) -> None:
        """In pipelines of 512."""
        for place in range(0, len(asked), BATCH):
            pipeline = self._redis.pipeline(transaction=False)
            for number, row in asked[place : place + BATCH]:
                pipeline.execute_command("XADD", REQUESTS, "*", "id", b"%032d" % number, "body", orjson.dumps([row]))
            pipeline.execute()

    async def receive(self, wait: float) -> Sequence[Answer]:
        """All that has come. A wait shorter than Redis knows is slept."""
        block = ("BLOCK", int(wait * 1000)) if wait >= 0.002 else ()
        reply = self._redis.execute_command("XREAD", "COUNT", 4096, *block, "STREAMS", REPLIES, self._last)
        if not reply:
            await asyncio.sleep(0.0 if block else min(wait, 0.0002))
            return ()
        entries = reply[0][1]
        self._last = entries[-1][0]
        self._redis.execute_command("XTRIM", REPLIES, "MINID", self._last)
        return [(int(fields[1]), orjson.loads(fields[3])[0]) for _, fields in entries]

    async def close(self) -> None:
        """Disconnect."""
        self._redis.close()


if __name__ == "__main__":
    (work_with_child if "child" in sys.argv else work_alone)()
