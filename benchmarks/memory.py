"""What a worker, a client and the broker hold after a hundred thousand requests, and after a million.

    python benchmarks/memory.py --engine redis --requests 100000 1000000

One worker with one runner, one asyncio client with 1,024 single-row requests in flight, one broker. At each milestone
the client pauses until the broker has forgotten the ids (a window of deduplication of five seconds), asks a few more,
and everybody's resident memory is read, with the keys or rows that are left in the broker. What has an owner stays:
the worker's lease, the client's inbox, and the ids of the last few requests.
"""

import argparse
import asyncio
import gc
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from servers import serve

from predictq import AsyncClient
from predictq_broker import Limits, connect
from predictq_cli.demo.place import Place
from predictq_cli.demo.processes import Server
from predictq_cli.demo.releases import flowers, train_better
from predictq_cli.output import table
from predictq_registry import Registry, SigningKey

MODEL = "memory-iris"
IN_FLIGHT = 1024
WINDOW = 5.0
A_FEW = 300
ROW = [[5.1, 3.5, 1.4, 0.2]]


class Milestone(NamedTuple):
    """Resident memory in MB, and what is left in the broker."""

    requests: int
    worker: float
    nursery: float
    runner: float
    client: float
    broker: float
    left: str


# ── who asks ──


async def ask(url: str) -> None:
    """For each number on standard input: so many requests, then a line when the broker has forgotten them."""
    with connect(url, Limits(dedup=WINDOW)) as broker:
        async with AsyncClient(broker=broker) as client:
            for line in sys.stdin:
                await _ask_many(client, int(line))
                await asyncio.sleep(WINDOW + 1.0)
                await _ask_many(client, A_FEW, in_flight=1)
                gc.collect()
                print("done", flush=True)


async def _ask_many(client: AsyncClient, count: int, in_flight: int = IN_FLIGHT) -> None:
    left = iter(range(count))

    async def one_after_the_other() -> None:
        for _ in left:
            await client.predict(MODEL, ROW, timeout=60)

    await asyncio.gather(*(one_after_the_other() for _ in range(in_flight)))


class Asker:
    """The process that asks."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603  this very script
            [sys.executable, __file__, "ask", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid

    def ask(self, count: int) -> None:
        """Have it ask so many; returns when all are answered and forgotten."""
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: S101, PT018  both are pipes
        print(count, file=self._process.stdin, flush=True)
        if self._process.stdout.readline() != "done\n":
            raise SystemExit("the asking process has ended before its time")

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


# ── what is measured ──


def resident(pid: int) -> float:
    """Megabytes of a process; 0 of none."""
    if not pid:
        return 0.0
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS:"))


def child_of(pid: int) -> int:
    """The process that `pid` started; there is one."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return next(int(word) for task in tasks for word in task.read_text().split())


def left_in(url: str) -> str:
    """What is in the broker, counted by kind."""
    if url.startswith("sqlite"):
        return _rows(url.removeprefix("sqlite:///"))
    if url.startswith("redis"):
        return _keys(url)
    with connect(url) as broker:
        stats = broker.stats(MODEL)
    return f"{stats.queued} waiting, {stats.dead} dead"


def _rows(path: str) -> str:
    import sqlite3

    connection = sqlite3.connect(path)
    try:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        counts = {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}  # noqa: S608  names of its own tables
    finally:
        connection.close()
    sizes = ", ".join(f"{Path(path + part).stat().st_size / 1e6:.1f} MB{part}" for part in ("", "-wal"))
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) + f"; {sizes}"


def _keys(url: str) -> str:
    from redis import Redis

    with Redis.from_url(url) as redis:
        server: Any = redis
        names = [str(key, "ascii").partition("}:")[2] for key in server.scan_iter(count=5000)]
        ids = sum(name.startswith("id:") for name in names)
        used = server.info("memory")["used_memory"] / 1e6
    return f"{ids} ids, {len(names) - ids} other keys; {used:.1f} MB used"


@contextmanager
def broker(engine: str, folder: Path) -> Iterator[tuple[str, int]]:
    """A broker's URL, and the process behind it if it is one; a URL instead of an engine is somebody's server."""
    if engine.split(maxsplit=1)[0] not in {"sqlite", "redis", "rabbitmq"}:
        yield engine, 0
        return
    with serve(engine, folder) as served:
        yield served.url, served.pid or 0


def measure(engine: str, milestones: list[int]) -> Iterator[Milestone]:
    """Ask until each milestone is reached, and look."""
    with (
        tempfile.TemporaryDirectory(prefix="predictq-memory-") as name,
        broker(engine, Path(name)) as (url, broker_pid),
    ):
        folder, data = Path(name), flowers()
        place = Place(folder, url, str(folder / "models"), MODEL, "")
        model, signer = train_better(data).estimator, SigningKey.ensure(place.signing_key)
        Registry(place.registry).publish(MODEL, model, sample=data.frame, alias="production", signer=signer)
        with Server(place) as server:
            server.wait_ready()
            asker = Asker(url)
            try:
                yield from _reach(milestones, server.process.pid, asker, url, broker_pid)
            finally:
                asker.close()


def _reach(milestones: list[int], worker: int, asker: Asker, url: str, broker_pid: int) -> Iterator[Milestone]:
    asked = 0
    for milestone in milestones:
        asker.ask(milestone - asked)
        asked = milestone
        time.sleep(1.0)
        nursery = child_of(worker)
        pids = (worker, nursery, child_of(nursery), asker.pid, broker_pid)
        yield Milestone(milestone, *map(resident, pids), left_in(url))


def main() -> None:
    """Measure, and print a table."""
    if sys.argv[1:2] == ["ask"]:
        asyncio.run(ask(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="sqlite", help="sqlite, redis, rabbitmq, or the URL of a broker")
    parser.add_argument("--requests", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    chosen = parser.parse_args()
    found = list(measure(chosen.engine, chosen.requests))
    print(f"\n{os.cpu_count()} cores, {IN_FLIGHT:,} in flight; resident MB after so many requests\n")
    rows = [(f"{m.requests:,}", *(f"{megabytes:.1f}" for megabytes in m[1:6]), m.left) for m in found]
    print(table(("requests", "worker", "nursery", "runner", "client", "broker", "left in the broker"), rows))


if __name__ == "__main__":
    main()
