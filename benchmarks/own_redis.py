"""A Redis server of our own: on a free port of the loopback, gone when it is no longer needed."""

import shutil
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as NotThere


@contextmanager
def own_redis(folder: Path, *, durable: bool) -> Generator[str | None]:
    """Its URL, or None if there is no redis-server on this machine.

    Whoever answers on the port is asked for its process id: a port that looked free may be another's by now.
    """
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    port = _free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    options += ["--appendonly", "yes" if durable else "no", "--appendfsync", "everysec"]
    server = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)  # noqa: S603  found on the path
    try:
        _wait_until_it_is_ours(port, server.pid)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_is_ours(port: int, pid: int) -> None:
    deadline = time.monotonic() + 10
    with Redis(port=port) as redis:
        while time.monotonic() < deadline:
            try:
                answers = redis.info("server")
            except NotThere:
                time.sleep(0.02)
                continue
            if answers["process_id"] != pid:
                raise SystemExit(f"port {port} belongs to another Redis, process {answers['process_id']}")
            return
    raise SystemExit(f"redis-server did not answer on port {port}")
