"""Disks that are full, read-only or gone: who is refused is told, what was accepted is kept, and it heals by itself."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from audit import Audit
from models import Iris
from mounts import mounted, need_mounts, small_disk
from servers import RedisServer
from workers import WorkerProcess, eventually, workers

from predictq import Client, QueueFull
from predictq_broker import Broker, BrokerFull, BrokerRefused, BrokerUnavailable, Request, connect, new_id
from predictq_registry import Registry

ROW = [5.1, 3.5, 1.4, 0.2]
IDLE = 'predictq_queued_requests{model="iris"}', 'predictq_in_flight_requests{model="iris"}'


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """No byte is left on the disk, for a while."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    try:
        yield
    finally:
        ballast.unlink()


def send_until(broker: Broker, error: type[Exception] | tuple[type[Exception], ...]) -> tuple[int, Exception]:
    """Send large requests until that is raised; how many were accepted, and what was raised."""
    for accepted in range(10_000):
        try:
            assert list(broker.send([Request("iris", b"x" * 20_000, id=new_id())])) == ["accepted"]
        except error as told:
            return accepted, told
    pytest.fail("the disk is never full")


def is_idle(worker: WorkerProcess) -> bool:
    return not any(worker.metric(figure) for figure in IDLE)


def all_is_well(audit: Audit, worker: WorkerProcess) -> None:
    """What was accepted is answered, once; nothing is left; the worker is ready."""
    audit.wait_for_all()
    worker.wait_ready()
    assert (audit.doubled, audit.wrong, set(audit.codes)) == ([], [], {"ok"})
    eventually(lambda: is_idle(worker), "nothing waits and nothing is in flight")


# ── SQLite ──


def test_a_full_disk_under_sqlite_refuses_requests_keeps_those_it_has_and_heals(
    tmp_path: Path, registry_url: str, trained: Iris
) -> None:
    need_mounts()
    with small_disk(tmp_path / "disk", 16) as disk:
        url = f"sqlite:///{disk}/predictq.db"
        with workers(1, url, registry_url, models="iris", lease=1.0) as (worker,), Audit(url, trained) as audit:
            audit.ask(200)
            audit.wait_for_all()
            with filled(disk), connect(url) as broker, Client(url) as client:
                _, told = send_until(broker, BrokerFull)
                assert "no room is left on the disk" in str(told)
                with pytest.raises(QueueFull, match="no room is left on the disk"):
                    client.submit("iris", [ROW] * 2000)
                eventually(lambda: worker.get("/readyz")[0] == 503, "the worker cannot write, and says so")
                assert "no room is left on the disk" in worker.get("/readyz")[1]
            audit.ask(200)
            all_is_well(audit, worker)


def test_a_sqlite_file_that_may_not_be_written_to_is_told_to_both_sides(tmp_path: Path, registry_url: str) -> None:
    need_mounts()
    (tmp_path / "data").mkdir()
    url = f"sqlite:///{tmp_path}/data/predictq.db"
    with connect(url) as broker:
        broker.send([Request("iris", b"[[1]]", id="a")])
    with mounted(tmp_path / "data", "--bind", "-o", "ro", tmp_path / "data"):
        with connect(url) as broker, pytest.raises(BrokerRefused, match=r"see that|make the file") as told:
            broker.send([Request("iris", b"[[1]]", id="b")])
        assert "predictq.db" in str(told.value)
        worker = WorkerProcess(url, registry_url, models="iris")
        try:
            eventually(lambda: "the broker does not answer" in worker.get("/readyz")[1], "it says what is wrong")
            assert worker.get("/livez")[0] == 200
        finally:
            worker.close()


def test_a_worker_whose_file_was_deleted_says_that_it_must_be_restarted(
    tmp_path: Path, registry_url: str, trained: Iris
) -> None:
    url = f"sqlite:///{tmp_path}/predictq.db"
    with workers(1, url, registry_url, models="iris", lease=1.0) as (worker,):
        with Audit(url, trained) as audit:
            audit.ask(50)
            audit.wait_for_all()
        for part in ("", "-wal", "-shm"):
            Path(f"{tmp_path}/predictq.db{part}").unlink(missing_ok=True)
        eventually(lambda: "was deleted or replaced while in use" in worker.get("/readyz")[1], "it says what is wrong")
        assert worker.get("/readyz")[0] == 503
        assert worker.stop(timeout=20) == 0
    with workers(1, url, registry_url, models="iris"), Audit(url, trained) as audit:
        audit.ask(50)
        audit.wait_for_all()


def test_a_file_restored_from_a_copy_made_while_it_served_has_all_that_was_accepted(tmp_path: Path) -> None:
    with connect(f"sqlite:///{tmp_path}/predictq.db") as broker:
        broker.send([Request("iris", b"[[1]]", id=f"r{n}") for n in range(100)])
        source = sqlite3.connect(tmp_path / "predictq.db")
        source.execute("VACUUM INTO ?", (str(tmp_path / "copy.db"),))
        source.close()
    with connect(f"sqlite:///{tmp_path}/copy.db") as broker:
        assert broker.stats("iris").queued == 100


# ── Redis ──


@pytest.mark.parametrize("appendfsync", ["everysec", "always"])
def test_a_full_disk_under_redis_refuses_requests_keeps_those_it_has_and_heals(
    tmp_path: Path, registry_url: str, trained: Iris, appendfsync: str
) -> None:
    need_mounts()
    with (
        small_disk(tmp_path / "disk", 16) as disk,
        RedisServer(disk, appendfsync) as server,
        workers(1, server.url, registry_url, models="iris", lease=1.0) as (worker,),
        Audit(server.url, trained) as audit,
        connect(server.url) as broker,
    ):
        audit.ask(200)
        audit.wait_for_all()
        with filled(disk):
            send_until(broker, (BrokerFull, BrokerUnavailable))
            eventually(lambda: worker.get("/readyz")[0] == 503, "the worker cannot write, and says so")
            assert worker.get("/livez")[0] == 200
        revive(server)
        audit.ask(200)
        audit.wait_for_all()
        assert (audit.doubled, audit.wrong, set(audit.codes)) == ([], [], {"ok"})


def revive(server: RedisServer) -> None:
    """With `always` Redis ends itself when it cannot write; a supervisor starts it again, when there is room."""
    if not Path(f"/proc/{server.pid}/exe").exists():
        server.restart()


# ── a worker's own ──


def test_a_worker_without_room_for_temporary_files_serves_all_the_same(
    broker_url: str, registry_url: str, tmp_path: Path, trained: Iris, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_mounts()
    with small_disk(tmp_path / "temporary", 1) as disk, filled(disk):
        monkeypatch.setenv("TMPDIR", str(disk))
        with workers(1, broker_url, registry_url, models="iris") as (worker,), Audit(broker_url, trained) as audit:
            audit.ask(200)
            all_is_well(audit, worker)


def test_a_registry_without_room_refuses_a_release_and_is_as_it_was(tmp_path: Path, trained: Iris) -> None:
    need_mounts()
    with small_disk(tmp_path / "disk", 4) as disk:
        registry = Registry(str(disk / "models"))
        registry.publish("iris", trained.good, sample=trained.rows, alias="production")
        before = sorted(disk.rglob("*"))
        with filled(disk), pytest.raises(Exception, match="No space left on device"):
            registry.publish("iris", trained.other, sample=trained.rows, alias="production")
        assert sorted(disk.rglob("*")) == before
        assert registry.publish("iris", trained.other, sample=trained.rows, alias="production").version == 2
