"""Memory after many requests is what it was after fewer; `benchmarks/memory.py` says it of a million."""

import asyncio
import gc
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from models import Iris
from servers import RedisServer
from workers import WorkerProcess, eventually, workers

from predictq import AsyncClient
from predictq_broker import Limits, connect

ROW = [[5.1, 3.5, 1.4, 0.2]]
WINDOW = 1.0


def resident(pid: int) -> int:
    """Kilobytes."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


async def ask_many(client: AsyncClient, count: int) -> None:
    left = iter(range(count))

    async def one_after_the_other() -> None:
        for _ in left:
            await client.predict("iris", ROW, timeout=60)

    await asyncio.gather(*(one_after_the_other() for _ in range(512)))


def objects() -> int:
    gc.collect()
    return len(gc.get_objects())


async def grown(url: str, worker: WorkerProcess) -> tuple[int, int]:
    """What a worker (in kilobytes) and a client (in objects) hold more after 16,000 requests than after 4,000."""
    with connect(url, Limits(dedup=WINDOW)) as broker:
        async with AsyncClient(broker=broker) as client:
            await ask_many(client, 4000)
            before, client_before = resident(worker.pid), objects()
            await ask_many(client, 12_000)
            after, client_after = resident(worker.pid), objects()
    return after - before, client_after - client_before


def test_neither_worker_nor_client_holds_more_after_four_times_as_many_requests(
    broker_url: str, registry_url: str
) -> None:
    with workers(1, broker_url, registry_url, models="iris") as (worker,):
        worker_grew, client_grew = asyncio.run(grown(broker_url, worker))
        assert worker_grew < 4 * 1024  # were they kept, 12,000 requests would be 12 MB and more
        assert client_grew < 2000


def test_of_requests_that_were_answered_nothing_is_left_in_the_server(
    redis_server: RedisServer, registry_url: str
) -> None:
    redis_server.flush()
    with (
        workers(1, redis_server.url, registry_url, models="iris") as (worker,),
        redis.Redis(port=redis_server.port) as admin,
    ):
        asyncio.run(grown(redis_server.url, worker))
        server: Any = admin
        eventually(lambda: not server.keys("predictq:{iris}:id:*"), "the ids have expired")
        keys = {key.decode() for key in server.keys("*")}
        assert keys <= {
            "predictq:models",
            "predictq:{iris}:requests:leases",
            *(f"predictq:{{iris}}:requests:{name}" for name in ("high", "normal", "low", "bytes")),
        }
        assert [server.xlen(f"predictq:{{iris}}:requests:{name}") for name in ("high", "normal", "low")] == [0, 0, 0]
        assert worker.stop() == 0
        eventually(lambda: not server.exists("predictq:{iris}:requests:leases"), "the worker's lease has gone with it")


def test_many_clients_that_come_and_go_leave_nothing_behind(
    redis_server: RedisServer, registry_url: str, trained: Iris
) -> None:
    del trained
    redis_server.flush()
    with (
        workers(1, redis_server.url, registry_url, models="iris"),
        redis.Redis(port=redis_server.port) as admin,
        callers(admin, redis_server.port) as callers_url,
    ):
        for _ in range(50):
            asyncio.run(ask_once(callers_url))
        server: Any = admin
        assert server.keys("*:results:*") == []
        eventually(lambda: "callers" not in connected(admin), "their connections are gone")
        assert len(connected(admin)) < 25  # the worker has one for each thread that uses one at the same time


@contextmanager
def callers(admin: "redis.Redis", port: int) -> Generator[str]:
    """The URL of a user of its own, by whom the server tells the clients' connections from the worker's."""
    admin.acl_setuser("callers", enabled=True, passwords="+secret", keys="*", channels="*", categories=["+@all"])
    try:
        yield f"redis://callers:secret@127.0.0.1:{port}"
    finally:
        admin.acl_deluser("callers")


def connected(admin: "redis.Redis") -> list[str]:
    """Whose each connection is."""
    return [client["user"] for client in admin.client_list()]


async def ask_once(url: str) -> None:
    async with AsyncClient(url) as client:
        await client.predict("iris", ROW, timeout=30)
