"""Real worker processes for tests: started, found ready, killed, stopped."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

__all__ = ["WorkerProcess", "children", "eventually", "python_env"]

ROOTS = ("broker", "producer", "worker", "registry", "cli", "tests")


def python_env(**variables: str) -> dict[str, str]:
    """The environment of a process that finds our packages as this one does."""
    top = Path(__file__).parent.parent
    path = os.pathsep.join(str(top / root) for root in ROOTS)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREDICTQ_")}
    return {**kept, "PYTHONPATH": path, **variables}


def eventually(condition: Callable[[], Any], what: str, timeout: float = 60.0) -> Any:
    """Wait until `condition()` is true, and return what it returned; fail with `what` if it never is.

    It is asked less often the longer it takes: asking is work too, for those who are waited for most of all.
    """
    began = time.monotonic()
    while not (found := condition()):
        waited = time.monotonic() - began
        assert waited < timeout, f"never happened in {timeout} s: {what}"
        time.sleep(min(max(waited / 10, 0.01), 0.1))
    return found


def children(pid: int) -> list[int]:
    """The processes that `pid` started, theirs included."""
    return [found for child in _direct_children(pid) for found in (child, *children(child))]


def _direct_children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):  # it ended while we looked
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):  # or this thread of it did
                found += [int(word) for word in (task / "children").read_text().split()]
    return found


class WorkerProcess:
    """One `predictq worker` in a process of its own.

    Args:
        broker_url, registry_url, models, settings: As the environment variables of these names.
        module: What to run in place of the command.
        environment: More variables, as they are.
    """

    def __init__(
        self,
        broker_url: str,
        registry_url: str,
        *,
        models: str = "",
        module: str = "",
        environment: Mapping[str, str] = MappingProxyType({}),
        **settings: object,
    ) -> None:
        variables = {f"PREDICTQ_{name.upper()}": str(value) for name, value in settings.items()}
        variables |= {"PREDICTQ_BROKER_URL": broker_url, "PREDICTQ_REGISTRY_URL": registry_url}
        variables |= {"PREDICTQ_HTTP": "127.0.0.1:0", "PREDICTQ_LOG_FORMAT": "json", "PREDICTQ_MODELS": models}
        self._process = subprocess.Popen(
            [sys.executable, "-m", *([module] if module else ["predictq_cli", "worker"])],
            env=python_env(**environment, **variables),
            stderr=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self.events: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            try:
                self.events.append(json.loads(line))
            except ValueError:
                self.events.append({"event": line.rstrip()})

    def saw(self, event: str) -> dict[str, Any] | None:
        """The first log line that tells of `event`."""
        return next((found for found in list(self.events) if found["event"] == event), None)

    @property
    def url(self) -> str:
        """Where it serves its probes."""
        started = eventually(lambda: self.saw("worker started") or self._process.poll(), "the worker starts")
        assert isinstance(started, dict), f"the worker ended: {self.events}"
        return str(started["http"])

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of one of its pages."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as page:
                return page.status, page.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def wait_ready(self, timeout: float = 90.0) -> Self:
        """Wait until it says that it can answer."""
        eventually(lambda: self.get("/readyz")[0] == 200, "the worker is ready", timeout)
        return self

    def metric(self, line: str) -> float:
        """The value of the sample that is written `line` on its page; 0 if there is none."""
        page = self.get("/metrics")[1].splitlines()
        return sum(float(sample.rpartition(" ")[2]) for sample in page if sample.startswith(line))

    def runners(self) -> list[int]:
        """Its runners: what its nursery forked."""
        return [runner for nursery in self.nurseries() for runner in children(nursery)]

    def nurseries(self) -> list[int]:
        """What it started itself: its one nursery, unless that is gone."""
        return _direct_children(self.pid)

    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.poll()

    def wait(self, timeout: float = 90.0) -> int:
        """Wait until it ends by itself; returns its exit code."""
        return self._process.wait(timeout)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """kill -9, at once."""
        self._process.kill()
        self._process.wait(10)

    def stop(self, timeout: float = 90.0) -> int:
        """SIGTERM, and wait; returns its exit code."""
        if self._process.poll() is None:
            self._process.terminate()
        return self._process.wait(timeout)

    def close(self) -> None:
        """However it stands, it ends now."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)
        self._reader.join(10)
        if self._process.stderr is not None:
            self._process.stderr.close()


@contextmanager
def workers(count: int, broker_url: str, registry_url: str, **settings: object) -> Iterator[list[WorkerProcess]]:
    """So many ready workers, gone when the block ends."""
    started = [WorkerProcess(broker_url, registry_url, **settings) for _ in range(count)]  # type: ignore[arg-type]  # settings are any
    try:
        yield [worker.wait_ready() for worker in started]
    finally:
        for worker in started:
            worker.close()
