"""The demo's two other processes: a worker, and whoever asks it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Final, Self

import orjson

from predictq_cli.exits import Exit, Stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from predictq_cli.demo.load import Plan
    from predictq_cli.demo.phase import Figures
    from predictq_cli.demo.place import Place

__all__ = ["Asker", "Server"]

_START: Final = 60.0
_LEAVE: Final = 15.0


def _command(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def _environment() -> dict[str, str]:
    """Ours without what would configure the worker otherwise."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PREDICTQ_")}


def _wait_for(what: str, done: Callable[[], bool], process: subprocess.Popen[bytes], log: Callable[[], str]) -> None:
    deadline = time.monotonic() + _START
    while not done():
        if process.poll() is not None:
            raise Stop(Exit.FAILED, f"{what} has ended with exit code {process.returncode}: {log()}")
        if time.monotonic() > deadline:
            raise Stop(Exit.FAILED, f"{what} was not ready within {_START:.0f} s: {log()}")
        time.sleep(0.05)


class _Process:
    """A child that Ctrl-C in the terminal does not reach: we end it, in our order."""

    what: str

    def __init__(self, place: Place, command: list[str], *, stdin: int | None, stdout: int) -> None:
        self._log_file = place.folder / f"{self.what.replace(' ', '-')}.log"
        with self._log_file.open("wb") as log:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603  our own modules
                command, env=_environment(), stdin=stdin, stdout=stdout, stderr=log, start_new_session=True
            )

    def _log(self) -> str:
        """The last line it wrote to its log."""
        lines = self._log_file.read_text(errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing"

    def __enter__(self) -> Self:
        return self

    def check(self) -> None:
        """Complain if it has ended before it was told to."""
        if self.process.poll() is not None:
            raise Stop(Exit.FAILED, f"{self.what} has ended with exit code {self.process.returncode}: {self._log()}")

    def __exit__(self, *_: object) -> None:
        self._ask_to_leave()
        try:
            self.process.wait(_LEAVE)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):  # too slow, for the clock or for the user
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def _ask_to_leave(self) -> None:
        self.process.send_signal(signal.SIGTERM)


class Server(_Process):
    """`predictq worker`, for the demo's model alone."""

    what = "the worker"

    def __init__(self, place: Place) -> None:
        options = ["--broker", place.broker, "--registry", place.registry, "--model", place.model]
        options += [
            "--http",
            "127.0.0.1:0",
            "--log-format",
            "json",
            "--trust",
            str(place.signing_key.with_suffix(".pub")),
        ]
        super().__init__(
            place, _command("predictq_cli", "worker", *options), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        self._url = ""

    def wait_ready(self) -> None:
        """Return when it has loaded the release and answers."""
        _wait_for(self.what, self._is_ready, self.process, self._log)

    def _is_ready(self) -> bool:
        self._url = self._url or self._said_url()
        return bool(self._url) and self._get("/readyz") is not None

    def _said_url(self) -> str:
        """Where it serves HTTP, which it logs when it starts."""
        for line in self._log_file.read_bytes().splitlines():
            if b'"http"' in line and line.endswith(b"}"):
                return str(orjson.loads(line)["http"])
        return ""

    def metrics(self) -> bytes:
        """Its page of metrics; empty if it does not give it."""
        return self._get("/metrics") or b""

    def _get(self, path: str) -> bytes | None:
        """One of its pages; None if it does not say 200."""
        try:
            with urllib.request.urlopen(self._url + path, timeout=5) as page:  # noqa: S310  it logged http://127.0.0.1
                return bytes(page.read())
        except (urllib.error.URLError, OSError):
            return None


class Asker(_Process):
    """The load generator: told what phase it is in, it tells how it goes."""

    what = "the load generator"

    def __init__(self, place: Place, plan: Plan) -> None:
        path = place.folder / "plan.json"
        path.write_bytes(orjson.dumps(plan._asdict()))
        command = _command("predictq_cli.demo.load", str(path))
        super().__init__(place, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.latest: Figures | None = None
        self.phases: dict[str, Figures] = {}
        self._reader = threading.Thread(target=self._read, name="figures", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None  # noqa: S101  it was started with a pipe
        for line in self.process.stdout:
            figures: Figures = orjson.loads(line)
            if figures["ended"]:
                self.phases[figures["phase"]] = figures
            else:
                self.latest = figures

    def wait_ready(self) -> None:
        """Return when the first answer is there."""
        _wait_for(self.what, lambda: bool(self.latest and self.latest["answered"]), self.process, self._log)

    def turn_to(self, phase: str) -> None:
        """Begin the next phase."""
        assert self.process.stdin is not None  # noqa: S101  it was started with a pipe
        try:
            self.process.stdin.write(f"{phase}\n".encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Stop(Exit.FAILED, f"{self.what} has ended: {self._log()}") from None

    def watch(self, seconds: float) -> None:
        """Let it ask for so long; complain if it ends before."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.check()
            time.sleep(0.05)

    def finish(self) -> None:
        """Ask no more, and wait until every request on its way is answered."""
        self._ask_to_leave()
        try:
            self.process.wait(_START)
        except subprocess.TimeoutExpired:
            raise Stop(Exit.FAILED, f"some requests were never answered: {self._log()}") from None
        self._reader.join()
        if self.process.returncode:
            raise Stop(Exit.FAILED, f"{self.what} has ended with exit code {self.process.returncode}: {self._log()}")

    def _ask_to_leave(self) -> None:
        assert self.process.stdin is not None  # noqa: S101  it was started with a pipe
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            return  # it has left already
