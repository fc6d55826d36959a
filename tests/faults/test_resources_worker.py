"""A worker that runs out of file descriptors, processes, memory or readers of its log serves on, or says why not."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from audit import Audit
from models import Iris
from workers import WorkerProcess, eventually, python_env, workers

from predictq import Client, DeadLettered
from predictq_registry import Registry

ROW = [5.1, 3.5, 1.4, 0.2]
HUNGRY = [7.0, 7.0, 7.0, 7.0]
one_broker = pytest.mark.parametrize("broker_url", ["sqlite"], indirect=True)
"""Processes, memory and the log have nothing to do with the broker; descriptors and signals have."""


@pytest.fixture
def worker(broker_url: str, registry_url: str) -> Iterator[WorkerProcess]:
    with workers(1, broker_url, registry_url, models="iris", lease=1.0) as (worker,):
        yield worker


def all_is_well(audit: Audit, worker: WorkerProcess) -> None:
    """What was accepted is answered, once; nothing is left; the worker is ready."""
    audit.wait_for_all()
    worker.wait_ready()
    assert (audit.doubled, audit.wrong, set(audit.codes)) == ([], [], {"ok"})
    idle = 'predictq_queued_requests{model="iris"}', 'predictq_in_flight_requests{model="iris"}'
    eventually(lambda: not any(map(worker.metric, idle)), "nothing waits and nothing is in flight")


# ── signals ──


def test_a_signal_that_the_kernel_gives_to_another_thread_ends_the_worker_too(worker: WorkerProcess) -> None:
    threads = sorted(int(task.name) for task in Path(f"/proc/{worker.pid}/task").iterdir())
    os.kill(next(thread for thread in threads if thread != worker.pid), signal.SIGTERM)
    eventually(lambda: worker.saw("worker stopped"), "it ends in order", timeout=15)


# ── descriptors ──


@contextmanager
def no_more_descriptors(pid: int) -> Iterator[None]:
    """The process may open nothing more, for a while."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}  # noqa: PTH208  names, as they are
    first_free = next(number for number in count() if number not in used)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (first_free, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def address_of(worker: WorkerProcess) -> tuple[str, int]:
    parts = urlsplit(worker.url)
    return str(parts.hostname), int(parts.port or 0)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_worker_without_another_descriptor_serves_on_and_replaces_its_runner_when_there_is_one(
    broker_url: str, worker: WorkerProcess, trained: Iris
) -> None:
    with Audit(broker_url, trained) as audit:
        audit.ask(50)
        audit.wait_for_all()
        (runner,) = worker.runners()
        with no_more_descriptors(worker.pid), socket.create_connection(address_of(worker)):  # a probe that waits
            os.kill(runner, signal.SIGKILL)
            eventually(lambda: worker.saw("cannot start a runner yet"), "it cannot replace the runner, and says so")
            before, noise = cpu_seconds(worker.pid), len(worker.events)
            threading.Event().wait(2.0)  # time itself is what is looked at: does it spin?
            assert cpu_seconds(worker.pid) - before < 1.0
            assert len(worker.events) - noise < 40
        audit.ask(50)
        all_is_well(audit, worker)


# ── processes ──


def cgroup(controller: str, name: str) -> Path:
    """A control group of our own; skips the test where there is none to be had."""
    for top in (Path("/sys/fs/cgroup", controller), Path("/sys/fs/cgroup")):
        group = top / f"predictq-test-{name}-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        if any(group.glob(f"{controller}.*max*")) or any(group.glob(f"{controller}.*limit*")):
            return group
        group.rmdir()
    pytest.skip(f"no control group for {controller} can be made here: that takes root")


@contextmanager
def no_more_processes(pids: list[int]) -> Iterator[None]:
    """These may start neither a process nor a thread, for a while."""
    group = cgroup("pids", "pids")
    home = group.parent / "cgroup.procs"
    try:
        for pid in pids:
            (group / "cgroup.procs").write_text(str(pid))
        (group / "pids.max").write_text("1")
        yield
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            home.write_text(pid)
        group.rmdir()


def nursery_of(worker: WorkerProcess) -> int:
    return worker.nurseries()[0]


@one_broker
def test_a_worker_that_may_start_no_process_is_unready_and_serves_again_when_it_may(
    broker_url: str, worker: WorkerProcess, trained: Iris
) -> None:
    with Audit(broker_url, trained) as audit:
        audit.ask(50)
        audit.wait_for_all()
        (runner,) = worker.runners()
        with no_more_processes([worker.pid, nursery_of(worker)]):
            os.kill(runner, signal.SIGKILL)
            eventually(lambda: worker.saw("cannot start a runner yet"), "it cannot replace the runner, and says so")
        audit.ask(50)
        all_is_well(audit, worker)


# ── memory ──


class Hungry:
    """Answers as the model it wraps; one certain row makes it take all the memory there is."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, rows: Any) -> Any:
        if (np.asarray(rows) == HUNGRY[0]).all(axis=1).any():
            hoard = [bytearray(16 << 20) for _ in range(4096)]  # 64 GiB
            return [len(hoard)] * len(rows)
        return self.model.predict(rows)


@contextmanager
def little_memory(pids: list[int], megabytes: int) -> Iterator[Path]:
    """These may use so much together; whoever takes more is killed by the kernel."""
    group = cgroup("memory", "memory")
    limit = group / "memory.limit_in_bytes"
    limit = limit if limit.exists() else group / "memory.max"
    limit.write_text(str(megabytes << 20))
    try:
        for pid in pids:
            (group / "cgroup.procs").write_text(str(pid))
        yield group
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            (group.parent / "cgroup.procs").write_text(pid)
        group.rmdir()


@one_broker
def test_an_input_that_takes_all_the_memory_is_set_aside_and_harms_nobody_else(
    broker_url: str, tmp_path: Path, trained: Iris
) -> None:
    registry = Registry(str(tmp_path / "models"))
    registry.publish("iris", Hungry(trained.good), sample=trained.rows, alias="production")
    with (
        workers(1, broker_url, registry.url, models="iris") as (worker,),
        little_memory([nursery_of(worker)], 400),
        Client(broker_url) as client,
        Audit(broker_url, trained) as audit,
    ):
        os.kill(worker.runners()[0], signal.SIGKILL)  # the next one is born under the limit
        eventually(lambda: worker.saw("a runner died"), "it is replaced")
        hungry = client.submit("iris", [HUNGRY])
        audit.ask(200)
        with pytest.raises(DeadLettered, match="signal 9"):
            hungry.result(timeout=60)
        all_is_well(audit, worker)
        assert worker.metric('predictq_dead_letters{model="iris"}') == 1
        assert worker.metric('predictq_runner_restarts_total{model="iris"}') == 4


# ── a log that nobody reads ──


@one_broker
def test_a_worker_whose_log_is_closed_serves_on(broker_url: str, registry_url: str, trained: Iris) -> None:
    variables = {"PREDICTQ_BROKER_URL": broker_url, "PREDICTQ_REGISTRY_URL": registry_url, "PREDICTQ_MODELS": "iris"}
    env = python_env(**variables, PREDICTQ_HTTP="127.0.0.1:0", PREDICTQ_LOG_FORMAT="json")
    process = subprocess.Popen([sys.executable, "-m", "predictq_cli", "worker"], env=env, stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        first = json.loads(process.stderr.readline())
        assert first["event"]
        process.stderr.close()
        with Audit(broker_url, trained) as audit:
            audit.ask(200)
            audit.wait_for_all()
            assert set(audit.codes) == {"ok"}
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
