"""What a model cannot do in a runner, tried by a model in a runner."""

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
import pytest
from unit import runner_models as models

from predictq_broker.messages import JSON, Code
from predictq_registry import Package, Registry
from predictq_sandbox import Confinement
from predictq_sandbox.landlock import landlock_version
from predictq_worker.inference import Failed, Limits, Ok
from predictq_worker.runner import Allowance, Nursery, Runner, RunnerError

MEMORY = 1536 << 20
LOAD = 60.0


@pytest.fixture(scope="module")
def trap(tmp_path_factory: pytest.TempPathFactory) -> Package:
    registry = Registry(str(tmp_path_factory.mktemp("trap")))
    registry.publish("trap", models.TrapModel(), sample=[[0.5, 1.0], [2.5, 1.0]])
    return registry.fetch("trap", 1)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery(4, allowance=Allowance(MEMORY, 1)) as nursery:
        yield nursery


@pytest.fixture(scope="module")
def confinement(nursery: Nursery) -> Confinement:
    return nursery.confinement()


@pytest.fixture
def runner(nursery: Nursery, trap: Package) -> Iterator[Runner]:
    runner = Runner.start(nursery, trap, Limits(), LOAD)
    yield runner
    runner.close()


def told(runner: Runner, code: float) -> str:
    (answer,) = runner.predict("predict", JSON, [orjson.dumps([[code, 1.0]])], timeout=60).answers
    assert isinstance(answer, Failed)
    assert answer.code is Code.MODEL_ERROR
    return answer.message.removeprefix("LookupError: ")


def test_a_model_reaches_nobody(runner: Runner, confinement: Confinement) -> None:
    if not confinement.offline:
        pytest.skip("this kernel denies runners nothing")
    ways = told(runner, models.CONNECTS).split()
    assert "went" not in ways
    if confinement.calls:
        assert ways[:3] == ["EPERM"] * 3
    if confinement.network:
        assert ways[3:] == ["lo"]


def test_limits_hold_and_cannot_be_lifted_from_within(runner: Runner, confinement: Confinement) -> None:
    memory, processes, core, cpus, *kept = told(runner, models.TELLS_ITS_LIMITS).split()
    assert (int(memory), int(core), int(cpus)) == (MEMORY, 0, 1)
    assert kept == ["kept"] * (2 if confinement.calls else 1)
    if confinement.processes:
        assert int(processes) == confinement.processes


def test_a_model_that_wants_too_much_memory_fails_its_request_and_nobody_else(runner: Runner) -> None:
    bodies = [orjson.dumps([[code, 1.0]]) for code in (models.FINE, models.TAKES_MUCH_MEMORY, models.FINE)]
    first, much, last = runner.predict("predict", JSON, bodies, timeout=60).answers
    assert first == last == Ok(b"[1.0]")
    assert isinstance(much, Failed)
    assert "MemoryError" in much.message
    assert runner.alive


def test_blas_in_many_threads_fits_within_the_memory_a_runner_may_have(runner: Runner) -> None:
    assert float(told(runner, models.MULTIPLIES)) == 1500.0**3 * sum(range(8))


def test_a_runner_sees_into_no_other_runner_nor_into_its_worker(
    nursery: Nursery, runner: Runner, trap: Package
) -> None:
    if not nursery.confinement().network and os.geteuid() == 0:
        pytest.skip("root without a user namespace sees everything")
    other = Runner.start(nursery, trap, Limits(), LOAD)
    try:
        seen = told(runner, models.LOOKS_INTO_ITS_NEIGHBOURS).split()
    finally:
        other.close()
    assert not {str(pid) for pid in (os.getpid(), nursery.pid, other.pid)} & set(seen)
    with Path(f"/proc/{runner.pid}/statm").open() as size:  # its worker still sees how large it is
        assert int(size.read().split()[1]) > 0


def test_a_model_writes_nowhere_but_into_a_folder_of_its_own_that_goes_with_it(
    nursery: Nursery, trap: Package, confinement: Confinement
) -> None:
    if not confinement.files:
        pytest.skip("this kernel has no Landlock")
    runner = Runner.start(nursery, trap, Limits(), LOAD)
    try:
        *ways, folder = told(runner, models.WRITES).split()
        assert ways == ["temporary", "null"]
        assert Path(folder).is_dir()
        assert folder.endswith(f"/{runner.pid}")
    finally:
        runner.close()
    assert not Path(folder).exists()


def test_a_model_reads_no_credentials_of_its_worker_s_user(
    trap: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (".config/predictq/signing.key", ".aws/credentials", ".netrc", "notes"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("secret")
    monkeypatch.setenv("HOME", str(tmp_path))
    with Nursery(1) as nursery:
        if not nursery.confinement().secrets:
            pytest.skip("this kernel gives runners no mount namespace")
        runner = Runner.start(nursery, trap, Limits(), LOAD)
        try:
            assert told(runner, models.READS) == "notes"
        finally:
            runner.close()
    assert (tmp_path / ".netrc").read_text() == "secret"  # for everybody else it is as it was


def test_a_model_signals_nobody(runner: Runner, confinement: Confinement) -> None:
    if not confinement.files or landlock_version() < 6:
        pytest.skip("this kernel's Landlock knows no signals")
    assert told(runner, models.SIGNALS) == "nobody"


@pytest.mark.parametrize("megabytes", [100, 300])
def test_a_release_larger_than_its_runner_may_be_is_refused_with_a_sentence(tmp_path: Path, megabytes: int) -> None:
    model = models.TrapModel()
    model.ballast = [np.zeros(megabytes << 17)]
    registry = Registry(str(tmp_path))
    registry.publish("big", model)
    with (
        Nursery(allowance=Allowance(memory=400 << 20)) as nursery,
        pytest.raises(RunnerError, match="needs more memory than a runner may have"),
    ):
        Runner.start(nursery, registry.fetch("big", 1), Limits(), LOAD)


def test_the_runner_speaks_where_the_test_itself_could_go_out(runner: Runner) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.connect(("127.0.0.1", 9))  # what a model is denied is there to be had
    assert runner.predict("predict", JSON, [b"[[0, 1]]"], timeout=60).answers == [Ok(b"[1.0]")]
    assert sys.platform == "linux"
