"""A Redis that keeps an append-only file and writes it through, behind a proxy, with a clock of its own."""

import shlex
from collections.abc import Mapping
from pathlib import Path

import redis
from faults.chaos.clock import Clock
from faults.chaos.proxy import Proxy
from servers import RedisServer

__all__ = ["RedisEngine"]


class RedisEngine:
    """See `Engine`."""

    name = "redis"
    lease = 2.0

    def __init__(self, directory: Path, shim: Path | None) -> None:
        self.clock = Clock(directory / "redis.clock", shim)
        self._server = RedisServer(directory, appendfsync="always")
        self._server._program = _with_clock(self._server._program, self.clock, directory)
        self._server.start()
        self.proxy = Proxy(self._server.port).__enter__()
        self.direct = self._server.url
        self.url = f"redis://127.0.0.1:{self.proxy.port}/0"
        with self.client() as client:
            info = client.info("server")
        self.about = f"Redis {info['redis_version']}, appendonly yes, appendfsync always"

    def client(self) -> redis.Redis:
        """A connection past the proxy."""
        return redis.Redis(port=self._server.port, decode_responses=True, socket_timeout=10)

    @property
    def pid(self) -> int:
        """As `Engine.pid`."""
        return self._server.pid

    def kill(self) -> None:
        """As `Engine.kill`."""
        self._server.kill()

    def start(self) -> None:
        """As `Engine.start`."""
        self._server.start()

    def write(self, fields: Mapping[str, str]) -> None:
        """As `Engine.write`."""
        with self.client() as client:
            client.xadd("predictq:{iris}:requests:normal", dict(fields))

    def close(self) -> None:
        """As `Engine.close`."""
        self.proxy.__exit__()
        self._server.stop()


def _with_clock(program: str, clock: Clock, directory: Path) -> str:
    """The same program, started with a clock that can jump."""
    if not clock.can_jump:
        return program
    wrapper = directory / "redis-server-with-clock"
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in clock.environment.items())
    wrapper.write_text(f'#!/bin/sh\nexec env {variables} {shlex.quote(program)} "$@"\n')
    wrapper.chmod(0o755)
    return str(wrapper)
