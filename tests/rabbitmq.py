"""A real RabbitMQ for tests: a node of its own on free ports of the loopback, killed, started again where it left off.

Nothing is shared with another node of the machine: not the name server (`epmd`), the cookie, or a directory. Which
RabbitMQ it is, `PREDICTQ_TEST_RABBITMQ` says: the path of a `rabbitmq-server`; its `rabbitmqctl` lies beside it.
"""

import base64
import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

import pytest
from servers import free_port, need_program

__all__ = ["RabbitServer", "rabbitmq_program"]

_DEBIAN = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the one in the PATH is a wrapper that changes the user
_NO_SPINNING = "+sbwt none +sbwtdcpu none +sbwtdio none"
"""Else the Erlang machine keeps a core busy while it waits for work, and takes a third more to start."""


def rabbitmq_program() -> str:
    """The `rabbitmq-server` to test with; skips the test without one, and fails it where CI is set."""
    chosen = os.environ.get("PREDICTQ_TEST_RABBITMQ")
    return chosen or (str(_DEBIAN) if _DEBIAN.exists() else need_program("rabbitmq-server"))


class RabbitServer:
    """A RabbitMQ of our own: the same ports and directory after a restart.

    Args:
        directory: Where its files go; it must exist.
        options: Lines for its `rabbitmq.conf`, such as `("consumer_timeout = 60000",)`.
        program: Its `rabbitmq-server`; `rabbitmq_program()` if left out.
    """

    def __init__(self, directory: Path, options: Sequence[str] = (), program: str | None = None) -> None:
        self.directory = directory
        self.port, self.http_port, self._dist_port, self._epmd_port = (free_port() for _ in range(4))
        self.node = f"predictq-{self.port}@127.0.0.1"
        self._program = program or rabbitmq_program()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._names: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What to give to `connect`: the default virtual host."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    @property
    def pid(self) -> int:
        """The process that serves now: the Erlang machine itself, not a shell around it."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def fresh(self) -> str:
        """The URL of a new, empty virtual host: a test's own, without waiting for another one to be emptied."""
        name = uuid4().hex
        self.api("PUT", f"vhosts/{name}")
        self.api("PUT", f"permissions/{name}/guest", {"configure": ".*", "write": ".*", "read": ".*"})
        return f"{self.url}{name}"

    def drop(self, url: str) -> None:
        """Remove the virtual host of a URL that `fresh` gave, and all in it.

        A server that was just in trouble may be too slow for it and say 500; what it leaves is in nobody's way.
        """
        with suppress(AssertionError):
            self.api("DELETE", f"vhosts/{url.rpartition('/')[2]}")

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the management API, such as `api("GET", "queues")`; what it answers, if anything."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=30)
        headers = {"Authorization": "Basic " + base64.b64encode(b"guest:guest").decode()}
        try:
            connection.request(method, f"/api/{path}", None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        assert answer.status < 300, f"{method} /api/{path}: {answer.status} {text[:500]!r}"
        return json.loads(text) if text else None

    def queues(self, url: str) -> dict[str, Any]:
        """The queues of a virtual host by name, as the management API tells of them (figures are a second late)."""
        vhost = quote(url.rpartition("/")[2] or "/", safe="")
        return {queue["name"]: queue for queue in self.api("GET", f"queues/{vhost}")}

    def ctl(self, *arguments: str) -> str:
        """Run `rabbitmqctl`; what it printed."""
        command = [
            str(Path(self._program).with_name("rabbitmqctl")),
            "--silent",
            "--longnames",
            "-n",
            self.node,
            *arguments,
        ]
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"rabbitmqctl {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, timeout: float = 180.0) -> Self:
        """Start it and wait until it answers."""
        self._configure()
        if self._names is None:
            names = [need_program("epmd"), "-address", "127.0.0.1", "-port", str(self._epmd_port)]
            self._names = subprocess.Popen(names, stderr=subprocess.DEVNULL)
        with (self.directory / "console.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program], env=self._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        self._wait_until_ready(time.monotonic() + timeout)
        return self

    def _configure(self) -> None:
        lines = (
            f"listeners.tcp.1 = 127.0.0.1:{self.port}",
            "management.tcp.ip = 127.0.0.1",
            f"management.tcp.port = {self.http_port}",
            "collect_statistics_interval = 500",
            "raft.wal_max_size_bytes = 32000000",
            *self._options,
        )
        (self.directory / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        (self.directory / "plugins").write_text("[rabbitmq_management].\n")

    def _environment(self) -> dict[str, str]:
        home = str(self.directory)
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": home,  # where the cookie is made
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_USE_LONGNAME": "true",
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-kernel inet_dist_use_interface {{127,0,0,1}} {_NO_SPINNING}",
            "RABBITMQ_MNESIA_BASE": f"{home}/data",
            "RABBITMQ_LOG_BASE": f"{home}/log",
            "RABBITMQ_LOGS": f"{home}/rabbitmq.log",
            "RABBITMQ_CONFIG_FILE": f"{home}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": f"{home}/no-such-file",  # not the machine's own
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{home}/plugins",
            "RABBITMQ_PID_FILE": f"{home}/pid",
            "detached": "true",  # the script becomes the Erlang machine instead of watching over it
        }

    def _wait_until_ready(self, deadline: float) -> None:
        assert self._process is not None
        while True:
            try:
                self.api("GET", "health/checks/port-listener/" + str(self.port))
            except (OSError, http.client.HTTPException, AssertionError):  # refused at first, then half awake
                log = (self.directory / "console.log").read_text(errors="replace")[-3000:]
                assert self._process.poll() is None, f"rabbitmq-server ended at once:\n{log}"
                assert time.monotonic() < deadline, f"rabbitmq-server does not answer:\n{log}"
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """End it at once, as a crash would; it is dead when this returns."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order, and its name server."""
        self._end(signal.SIGTERM)
        if self._names is not None:
            self._names.terminate()
            self._names.wait(timeout=20)
            self._names = None

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        pid = self.pid
        self._process.send_signal(how)
        self._process.wait(timeout=60)
        self._process = None
        if Path(f"/proc/{pid}").exists():
            pytest.fail(f"the RabbitMQ of process {pid} lives on: what follows would prove nothing")

    def restart(self) -> Self:
        """Start it again on the same ports and directory, after `kill` or `stop`; ends it first if it runs."""
        self.stop()
        return self.start()

    def __enter__(self) -> Self:
        return self if self._process is not None else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
