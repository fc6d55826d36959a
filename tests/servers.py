"""Real servers for tests: started on a free port of the loopback, killed, started again where they left off."""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import pytest
import redis

__all__ = ["RedisServer", "free_port", "need_program"]


def need_program(name: str) -> str:
    """The path of a program that the test needs; skips the test without it, and fails it where CI is set.

    `PREDICTQ_TEST_REDIS=/path/to/valkey-server` is used for `redis-server`.
    """
    named = os.environ.get("PREDICTQ_TEST_REDIS") if name == "redis-server" else None
    found = shutil.which(named or name)
    if found is None:
        missing = f"{name} is not on this machine: install it to run this test"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


_PORTS = range(10_000, 32_000)  # below those that the system gives to outgoing connections, which would take it again


def free_port() -> int:
    """A port of the loopback that nobody listens on now; whoever is given it may come back to it after a restart."""
    for port in random.SystemRandom().sample(_PORTS, 100):  # hypothesis seeds the common one
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("100 ports of the loopback were tried, and none is free")


class RedisServer:
    """A Redis of our own: no persistence unless asked for, and the same port and directory after a restart.

    Args:
        directory: Where its files go; it must exist.
        appendfsync: `always` or `everysec` to keep an append-only file; None keeps nothing.
        options: More of redis-server's options, such as `("--maxmemory", "10mb")`.
        arguments: What redis-py needs to connect to it, such as a password or a certificate.
    """

    def __init__(
        self, directory: Path, appendfsync: str | None = None, options: Sequence[str] = (), **arguments: Any
    ) -> None:
        self.directory = directory
        self.port = free_port()
        self._program = need_program("redis-server")
        keep = ("--appendonly", "no") if appendfsync is None else ("--appendonly", "yes", "--appendfsync", appendfsync)
        self._options = (*keep, *options)
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What to give to `connect`."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process that serves now."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def start(self, timeout: float = 60.0) -> Self:
        """Start it and wait until it answers."""
        command = [self._program, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.directory)]
        with (self.directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--save", "", *self._options], stdout=log, stderr=subprocess.STDOUT
            )
        self._wait_until_ready(time.monotonic() + timeout)
        return self

    def _wait_until_ready(self, deadline: float) -> None:
        assert self._process is not None
        with self.client() as client:
            while True:
                try:
                    if client.ping():
                        return
                except redis.exceptions.ConnectionError:  # refused at first, then loading: both are this kind
                    log = (self.directory / "redis.log").read_text(errors="replace")[-2000:]
                    assert self._process.poll() is None, f"redis-server ended at once:\n{log}"
                    assert time.monotonic() < deadline, f"redis-server does not answer:\n{log}"
                time.sleep(0.01)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order; what its persistence keeps is on the disk."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=20)
            self._process = None

    def restart(self) -> Self:
        """Start it again on the same port and directory, after `kill` or `stop`; ends it first if it runs."""
        self.stop()
        return self.start()

    def client(self) -> "redis.Redis":
        """A client beside those of the product; with all rights."""
        return redis.Redis(port=self.port, **self._arguments)

    def flush(self) -> None:
        """Forget everything."""
        with self.client() as client:
            client.flushall()

    def __enter__(self) -> Self:
        return self if self._process is not None else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
