"""What a turn knows of its server, and what all servers need."""

import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from typing import NamedTuple

__all__ = ["Missing", "Served", "free_port", "program", "wait_until"]


class Missing(Exception):
    """Something that a contender needs is not on this machine; the table says so."""


class Served(NamedTuple):
    """A server.

    Attributes:
        url: What to give to clients.
        pid: Its process, if it has one.
        files: What it keeps, if it is a file.
    """

    url: str
    pid: int | None
    files: tuple[Path, ...]


def program(name: str, *places: str) -> str:
    """Its path, looked for in these places first."""
    for place in places:
        if Path(place).exists():
            return place
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not on this machine")
    return found


def free_port(together: int = 1) -> int:
    """The first of so many ports of the loopback, one after the other, on which nobody listens now."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = int(probe.getsockname()[1])
        if all(_is_free(first + place) for place in range(1, together)):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def wait_until(ready: Callable[[], bool], process: Popen[bytes], what: str, within: float = 60.0) -> None:
    """Return when it is ready; complain if it ends first, or takes too long."""
    deadline = time.monotonic() + within
    while not ready():
        if process.poll() is not None:
            raise Missing(f"{what} ended at once, with exit code {process.returncode}")
        if time.monotonic() > deadline:
            raise Missing(f"{what} was not ready within {within:.0f} s")
        time.sleep(0.05)
