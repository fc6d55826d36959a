"""The least that could answer a request through Redis, to measure predictq beside: no leases, no recovery, no checks.

Requests are added in pipelines of up to 512; a worker reads 512, predicts them at once, and one script
acknowledges, replies and deletes. `python bare_loop.py worker URL MODEL` or `python bare_loop.py ask URL SECONDS
IN_FLIGHT` (which prints the figures of the phases `alone` and `steady` as one line of JSON).
"""

import sys
import time
from typing import Any

import orjson

from predictq_broker.redis.connection import open_redis
from predictq_cli.demo.phase import Phase

REQUESTS, REPLIES, GROUP = "bare:requests", "bare:replies", "workers"
BATCH = 512
_FINISH = """
for n = 1, #ARGV, 3 do
  redis.call('XACK', KEYS[1], 'workers', ARGV[n])
  redis.call('XDEL', KEYS[1], ARGV[n])
  redis.call('XADD', KEYS[2], '*', 'id', ARGV[n + 1], 'body', ARGV[n + 2])
end
"""


def work(url: str, model: str) -> None:
    """Answer for ever."""
    import joblib
    import numpy as np

    estimator: Any = joblib.load(model)
    redis: Any = open_redis(url)
    redis.xgroup_create(REQUESTS, GROUP, id="0", mkstream=True)
    finish = redis.register_script(_FINISH)
    print("ready", flush=True)
    read = ("XREADGROUP", "GROUP", GROUP, "one", "COUNT", BATCH, "BLOCK", 1000, "STREAMS", REQUESTS, ">")
    while True:
        reply = redis.execute_command(*read)
        if not reply:
            continue
        entries = reply[0][1]
        outputs = estimator.predict(np.array([orjson.loads(fields[3])[0] for _, fields in entries]))
        args: list[Any] = []
        for (entry, fields), output in zip(entries, outputs.tolist(), strict=True):
            args += (entry, fields[1], orjson.dumps([output]))
        finish(keys=[REQUESTS, REPLIES], args=args)


class Asker:
    """Keeps requests in flight and times them."""

    def __init__(self, url: str) -> None:
        self._redis: Any = open_redis(url)
        self._sent: dict[bytes, float] = {}
        self._number = 0
        self._last: bytes | str = "0"

    def ask(self, phase: Phase, seconds: float, in_flight: int) -> None:
        """For so long; then wait for what is on its way."""
        end = time.perf_counter() + seconds
        self._send(in_flight)
        while self._sent:
            count = self._receive(phase)
            if time.perf_counter() < end:
                self._send(count)

    def _send(self, count: int) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for place in range(count):
            self._number += 1
            name = b"%032d" % self._number
            self._sent[name] = time.perf_counter()
            pipeline.xadd(REQUESTS, {"id": name, "body": b"[[5.1,3.5,1.4,0.2]]"})
            if place % BATCH == BATCH - 1:
                pipeline.execute()
        pipeline.execute()

    def _receive(self, phase: Phase) -> int:
        read = ("XREAD", "COUNT", 4096, "BLOCK", 1000, "STREAMS", REPLIES, self._last)
        reply = self._redis.execute_command(*read)
        entries = reply[0][1] if reply else []
        now = time.perf_counter()
        for self._last, fields in entries:
            phase.answered(now - self._sent.pop(fields[1]), 1, right=fields[3] == b'["setosa"]')
        if entries:
            self._redis.xtrim(REPLIES, minid=self._last, approximate=False)
        return len(entries)


def ask(url: str, seconds: float, in_flight: int) -> None:
    """Print what the phases came to."""
    asker = Asker(url)
    asker.ask(Phase("warm-up"), 0.5, in_flight)
    found = {}
    for name, length, width in (("alone", 1.0, 1), ("steady", seconds, in_flight)):
        phase = Phase(name)
        asker.ask(phase, length, width)
        found[name] = phase.figures(ended=True)
    print(orjson.dumps(found).decode())


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["worker", url, model]:
            work(url, model)
        case ["ask", url, seconds, in_flight]:
            ask(url, float(seconds), int(in_flight))
        case _:
            sys.exit(__doc__)
