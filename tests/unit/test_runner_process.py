"""Runners as real processes: what a model may do to itself, and that nothing of it reaches anybody else."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from unit import runner_models as models

from predictq_broker.messages import JSON, Code
from predictq_registry import Demand, Golden, Package, Registry, Trust
from predictq_worker.inference import Failed, Limits, Ok
from predictq_worker.runner import LocalRunner, Nursery, ReleaseRefused, Runner, RunnerDied

LIMITS = Limits()
LOAD = 60.0
ANYBODY = Trust(demand=Demand.NONE)
"""Some of these tests alter a release, which nobody signs again."""


def row(first: float, second: float = 1.0) -> bytes:
    return orjson.dumps([[first, second]])


def published(tmp_path: Path, estimator: object, sample: object = None) -> Package:
    registry = Registry(str(tmp_path / "models"))
    manifest = registry.publish("trap", estimator, sample=sample or [[0.5, 1.0], [2.5, 1.0]])
    return registry.fetch("trap", manifest.version)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery(trust=ANYBODY) as nursery:
        yield nursery


@pytest.fixture(scope="module")
def trap(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return published(tmp_path_factory.mktemp("trap"), models.TrapModel())


@pytest.fixture
def runner(nursery: Nursery, trap: Package) -> Iterator[Runner]:
    runner = Runner.start(nursery, trap, LIMITS, LOAD)
    yield runner
    runner.close()


def is_gone(pid: int, within: float = 10.0) -> bool:
    """Whether the process ends, and is more than a zombie, within that time."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(process, select.POLLIN)
        return bool(poll.poll(within * 1000))
    finally:
        os.close(process)


def died(runner: Runner, *bodies: bytes, timeout: float | None = None) -> str:
    with pytest.raises(RunnerDied) as caught:
        runner.predict("predict", JSON, bodies, timeout)
    assert not runner.alive
    assert is_gone(runner.pid)
    return caught.value.reason


def told(runner: Runner, code: float) -> str:
    """What the model says when it is asked by `code`."""
    (answer,) = runner.predict("predict", JSON, [row(code)], timeout=60).answers
    assert isinstance(answer, Failed)
    return answer.message


def test_a_runner_answers_as_the_library_call_does(nursery: Nursery, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(100, 4)).round(2)
    package = published(tmp_path, LogisticRegression().fit(rows, rows[:, 0] > 0), rows[:5].tolist())
    bodies = [orjson.dumps([values]) for values in rows.tolist()] + [b"[[1,2]]", b"[[1,2,3,4,5,6]]", b"nonsense"]
    local = LocalRunner.start(package, LIMITS)
    runner = Runner.start(nursery, package, LIMITS, LOAD)
    try:
        for method in ("predict", "predict_proba", "fit"):
            answers = runner.predict(method, JSON, bodies, timeout=60).answers
            assert answers == local.predict(method, JSON, bodies).answers
        assert sum(isinstance(answer, Ok) for answer in runner.predict("predict", JSON, bodies).answers) == 100
    finally:
        runner.close()


def test_a_runner_says_what_loading_showed_and_how_large_it_is(runner: Runner) -> None:
    assert runner.alive
    assert 0 < runner.loaded.seconds < LOAD
    assert runner.loaded.rss > runner.loaded.memory > 1 << 20
    assert runner.memory() > 1 << 20
    assert runner.loaded.differences == ()


def test_once_a_release_is_loaded_its_files_take_no_memory_beside_it(
    nursery: Nursery, runner: Runner, tmp_path: Path
) -> None:
    rows = np.random.default_rng(0).normal(size=(100_000, 60))
    package = published(tmp_path, KNeighborsRegressor(algorithm="brute").fit(rows, rows[:, 0]), rows[:2].tolist())
    size = sum(map(len, package.files.values()))
    assert size > 48_000_000
    large = Runner.start(nursery, package, LIMITS, LOAD)
    assert 0.9 * size < large.loaded.memory - runner.loaded.memory < 1.3 * size
    assert large.memory() - runner.memory() < 1.3 * size
    large.close()


def test_large_bodies_and_answers_pass(nursery: Nursery, trap: Package) -> None:
    runner = Runner.start(nursery, trap, LIMITS, LOAD)
    body = orjson.dumps([[0.25, 1.0]] * 90_000)
    answers = runner.predict("predict", JSON, [body, row(0.5), body], timeout=60).answers
    assert [len(orjson.loads(answer.body)) for answer in answers] == [90_000, 1, 90_000]
    runner.close()


def test_an_empty_batch_is_answered_with_nothing(runner: Runner) -> None:
    assert runner.predict("predict", JSON, [], timeout=60).answers == []


def test_what_a_model_raises_fails_one_request_and_the_runner_lives(runner: Runner) -> None:
    trouble = [models.RAISES, models.SYS_EXIT, models.INTERRUPT, models.RECURSES, models.NO_MEMORY]
    bodies = [row(code) for code in [models.FINE, *trouble, models.FINE]]
    answers = runner.predict("predict", JSON, bodies, timeout=60).answers
    assert answers[0] == answers[-1] == Ok(b"[1.0]")
    assert {answer.code for answer in answers[1:-1]} == {Code.MODEL_ERROR}
    assert answers[1].message == "ValueError: this row is bad"
    assert runner.alive


def test_a_segfault_is_the_end_of_that_runner_and_says_so(runner: Runner) -> None:
    assert died(runner, row(0), row(models.SEGFAULTS)) == "killed by signal 11 (Segmentation fault)"
    with pytest.raises(RunnerDied, match="signal 11"):
        runner.predict("predict", JSON, [row(0)])
    assert runner.memory() == 0


def test_a_model_that_leaves_is_told_by_its_exit_code(runner: Runner) -> None:
    assert died(runner, row(models.LEAVES)) == "exited with 7"


def test_a_kill_from_outside_is_seen_at_once(runner: Runner) -> None:
    timer = threading.Timer(0.2, os.kill, (runner.pid, signal.SIGKILL))
    timer.start()
    start = time.monotonic()
    assert died(runner, row(models.HANGS), timeout=60) == "killed by signal 9 (Killed)"
    assert time.monotonic() - start < 5
    timer.join()


@pytest.mark.parametrize("code", [models.HANGS, models.HOLDS_THE_GIL])
def test_a_model_that_hangs_is_killed_at_its_timeout(runner: Runner, code: float) -> None:
    assert died(runner, row(code), timeout=0.3) == "killed: no answer within 0.3 s"


def test_a_runner_that_breaks_the_protocol_is_killed(runner: Runner) -> None:
    assert "broke the protocol" in died(runner, row(models.GARBLES_THE_CHANNEL), timeout=60)


def test_what_a_model_started_ends_with_its_runner(runner: Runner) -> None:
    grandchild = int(told(runner, models.STARTS_A_CHILD).removeprefix("LookupError: "))
    died(runner, row(models.LEAVES))
    assert is_gone(grandchild)


def test_a_runner_has_no_credentials_in_its_environment(trap: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREDICTQ_BROKER_URL", "redis://:s3cret@broker")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    with Nursery(threads_per_runner=3) as nursery:
        runner = Runner.start(nursery, trap, LIMITS, LOAD)
        environment = b"".join(Path(f"/proc/{pid}/environ").read_bytes() for pid in (runner.pid, nursery.pid))
        seen = told(runner, models.ENVIRONMENT)
        runner.close()
    assert b"OMP_NUM_THREADS=3" in environment
    for secret in ("s3cret", "PREDICTQ", "AWS_"):
        assert secret not in seen
        assert secret.encode() not in environment


def test_a_runner_holds_no_descriptor_of_the_parent(runner: Runner) -> None:
    with open("/etc/hostname") as opened:  # noqa: PTH123  any open file
        links = [os.readlink(entry) for entry in Path(f"/proc/{runner.pid}/fd").iterdir()]  # noqa: PTH115  as text
        assert os.path.realpath(opened.name) not in links
    assert sum(link.startswith("socket:") for link in links) == 1


def test_a_signal_for_the_terminal_s_processes_does_not_end_a_runner(runner: Runner) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(runner.pid, number)
    assert os.getpgid(runner.pid) not in {os.getpgrp(), 0}
    assert runner.predict("predict", JSON, [row(0)], timeout=60).answers == [Ok(b"[1.0]")]


def test_closing_ends_the_process_and_gives_its_memory_back(runner: Runner) -> None:
    runner.predict("predict", JSON, [row(models.GROWS)], timeout=60)
    assert runner.memory() > 64 << 20
    runner.close()
    assert is_gone(runner.pid, within=0)
    assert not runner.alive
    assert runner.memory() == 0
    runner.close()
    with pytest.raises(RunnerDied, match="closed"):
        runner.predict("predict", JSON, [row(0)])


def test_closing_does_not_wait_longer_than_its_grace_for_a_hanging_model(runner: Runner) -> None:
    caught: list[RunnerDied] = []

    def ask() -> None:
        try:
            runner.predict("predict", JSON, [row(models.HANGS)])
        except RunnerDied as error:
            caught.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    while not runner._host._lock.locked():
        os.sched_yield()
    start = time.monotonic()
    runner.close(grace=0.2)
    asking.join(10)
    assert time.monotonic() - start < 5
    assert len(caught) == 1


def test_no_descriptor_is_left_after_many_runners(nursery: Nursery, trap: Package) -> None:
    def cycle() -> int:
        runner = Runner.start(nursery, trap, LIMITS, LOAD)
        died(runner, row(models.KILLS_ITSELF))
        return len(list(Path("/proc/self/fd").iterdir()))

    before = cycle()
    assert [cycle() for _ in range(3)] == [before] * 3


def altered(package: Package, **changes: object) -> Package:
    manifest = package.manifest.model_copy(update=changes)
    return Package(manifest, manifest.to_bytes(), package.files)


def test_a_file_that_is_not_what_was_published_is_refused(nursery: Nursery, trap: Package) -> None:
    name, data = next(iter(trap.files.items()))
    damaged = replace(trap, files={name: data[:-1] + bytes([data[-1] ^ 1])})
    with pytest.raises(ReleaseRefused, match="sha256"):
        Runner.start(nursery, damaged, LIMITS, LOAD)
    with pytest.raises(ReleaseRefused, match="missing"):
        Runner.start(nursery, replace(trap, files={}), LIMITS, LOAD)
    with pytest.raises(ReleaseRefused, match="sha256"):
        LocalRunner.start(damaged, LIMITS, ANYBODY)


def test_a_manifest_that_is_none_is_refused(nursery: Nursery, trap: Package) -> None:
    with pytest.raises(ReleaseRefused, match="manifest"):
        Runner.start(nursery, replace(trap, manifest_bytes=b"{}"), LIMITS, LOAD)


def test_golden_rows_that_come_out_otherwise_refuse_the_release(nursery: Nursery, trap: Package) -> None:
    golden = Golden(rows=trap.manifest.golden.rows, outputs={"predict": (9.0, 9.0)})
    with pytest.raises(ReleaseRefused, match="golden row 0"):
        Runner.start(nursery, altered(trap, golden=golden), LIMITS, LOAD)


def test_other_library_versions_are_told(nursery: Nursery, trap: Package) -> None:
    libraries = {**trap.manifest.libraries, "numpy": "1.0.0"}
    runner = Runner.start(nursery, altered(trap, libraries=libraries), LIMITS, LOAD)
    assert any("numpy 1.0.0" in difference for difference in runner.loaded.differences)
    runner.close()


def test_a_release_that_loads_too_long_or_dies_of_it_gets_no_runner(tmp_path: Path) -> None:
    with Nursery(threads_per_runner=int(models.SLOW_THREADS)) as nursery:
        healthy = Runner.start(nursery, published(tmp_path, models.TrapModel()), LIMITS, LOAD)
        with pytest.raises(RunnerDied, match=r"no answer within 0.5 s"):
            Runner.start(nursery, published(tmp_path, models.SlowToUnpickle()), LIMITS, 0.5)
        with pytest.raises(RunnerDied, match="signal 11"):
            Runner.start(nursery, published(tmp_path, models.DiesOnUnpickle()), LIMITS, LOAD)
        assert healthy.predict("predict", JSON, [row(0)], timeout=60).answers == [Ok(b"[1.0]")]
        healthy.close()


def test_when_the_nursery_dies_its_runners_go_on_and_the_next_start_makes_another(trap: Package) -> None:
    with Nursery() as nursery:
        old = Runner.start(nursery, trap, LIMITS, LOAD)
        first = nursery.pid
        os.kill(first, signal.SIGKILL)
        os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
        assert old.predict("predict", JSON, [row(0)], timeout=60).answers == [Ok(b"[1.0]")]
        new = Runner.start(nursery, trap, LIMITS, LOAD)
        assert nursery.pid != first
        assert new.predict("predict", JSON, [row(0)], timeout=60).answers == [Ok(b"[1.0]")]
        assert "not known" in died(old, row(models.LEAVES)) or os.getpid() == 1
        new.close()


def test_a_nursery_that_cannot_start_is_an_error_and_no_hang(trap: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with Nursery() as nursery, pytest.raises(RunnerDied, match="no runner could be started"):
        Runner.start(nursery, trap, LIMITS, LOAD)


def test_closing_the_nursery_ends_every_runner(trap: Package) -> None:
    nursery = Nursery()
    runner = Runner.start(nursery, trap, LIMITS, LOAD)
    pid = nursery.pid
    nursery.close()
    assert is_gone(runner.pid)
    assert is_gone(pid)
    assert not runner.alive
    runner.close()


PARENT = """
import os, signal, sys
from predictq_registry import Registry
from predictq_worker.inference import Limits
from predictq_worker.runner import Nursery, Runner

nursery = Nursery()
package = Registry(sys.argv[1]).fetch("trap", 1)
hanging, idle = (Runner.start(nursery, package, Limits(), 60) for _ in range(2))
if sys.argv[2] == "alone":
    os.kill(nursery.pid, signal.SIGKILL)
print(nursery.pid, hanging.pid, idle.pid, flush=True)
hanging.predict("predict", "application/json", [sys.argv[3].encode()])
"""


@pytest.mark.parametrize("nursery", ["there", "alone"])
def test_no_process_outlives_a_parent_that_is_killed(tmp_path: Path, nursery: str) -> None:
    published(tmp_path, models.TrapModel())
    arguments = [str(tmp_path / "models"), nursery, row(models.HOLDS_THE_GIL).decode()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, *arguments], stdout=subprocess.PIPE, env=environment
    ) as parent:
        try:
            pids = [int(pid) for pid in parent.stdout.readline().split()]
            assert len(pids) == 3
            assert parent.stdout.readline() == b"holding\n"
        finally:
            parent.kill()
    try:
        assert all(is_gone(pid) for pid in pids)
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_memory_that_a_batch_has_freed_is_there_for_the_next(nursery: Nursery, tmp_path: Path) -> None:
    with contextlib.closing(Runner.start(nursery, published(tmp_path, models.FaultCounter()), LIMITS, LOAD)) as runner:
        faults = [
            orjson.loads(runner.predict("predict", JSON, [row(models.FAULTS)]).answers[0].body)[0] for _ in range(3)
        ]
    assert faults[-1] < 100  # of 4096 pages
