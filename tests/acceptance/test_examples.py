"""Every example runs, in a process of its own, and says that its answers were right."""

import os
import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("[0-9]*.py"))
IMPORTS = os.pathsep.join(str(ROOT / name) for name in ("broker", "producer", "worker", "registry", "cli"))

Finished = subprocess.CompletedProcess[str]


def environment(**more: str) -> dict[str, str]:
    """Ours, without settings of predictq but `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREDICTQ_")}
    return kept | {"PYTHONPATH": IMPORTS} | more


def run(script: str, **variables: str) -> Finished:
    command = [sys.executable, "-W", "error", str(EXAMPLES / script)]
    return subprocess.run(
        command, check=False, env=environment(**variables), capture_output=True, text=True, timeout=110
    )


@pytest.fixture(scope="module")
def runs() -> Generator[dict[str, Future[Finished]]]:
    """All examples, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        yield {script: pool.submit(run, script) for script in SCRIPTS}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_example_runs_and_answers_as_in_process(script: str, runs: dict[str, Future[Finished]]) -> None:
    finished = runs[script].result()
    assert finished.returncode == 0, finished.stderr
    assert "answered as in-process" in finished.stdout


def test_the_table_of_patients_is_what_its_script_makes(tmp_path: Path) -> None:
    copy = tmp_path / "make_patients.py"
    copy.write_text((EXAMPLES / "data" / "make_patients.py").read_text())
    subprocess.run([sys.executable, str(copy)], check=True, capture_output=True)
    assert (tmp_path / "patients.csv").read_text() == (EXAMPLES / "data" / "patients.csv").read_text()


@contextmanager
def running(*command: str, **variables: str) -> Generator[subprocess.Popen[str]]:
    """A program of ours; killed at the end if it has not left by then."""
    env = environment(**variables)
    with subprocess.Popen([sys.executable, *command], env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def stopped(process: subprocess.Popen[str]) -> str:
    """What it still says after SIGTERM, which it must obey cleanly."""
    process.terminate()
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return said


def test_a_service_asks_and_another_reads_the_results_put_on_a_queue_for_it(tmp_path: Path) -> None:
    places = {
        "PREDICTQ_BROKER_URL": f"sqlite:///{tmp_path}/queue.db",
        "PREDICTQ_REGISTRY_URL": str(tmp_path / "models"),
        "PREDICTQ_HTTP": "",
    }
    assert "published iris version 1" in run("publish_iris.py", **places).stdout
    assert "iris version 1 is in production" in run("publish_iris.py", **places).stdout
    with (
        running("-m", "predictq_cli", "worker", **places) as worker,
        running(str(EXAMPLES / "service_asks.py"), **places) as asker,
        running(str(EXAMPLES / "service_subscribes.py"), **places) as subscriber,
    ):
        assert first_line(asker) == "asked: {'sent': 1, 'right': 3}\n"
        assert first_line(subscriber) == "received: {'right': 1} (the last by iris version 1)\n"
        assert "wrong" not in stopped(asker)
        assert "subscriber stopped: {'right': " in stopped(subscriber)
        stopped(worker)
