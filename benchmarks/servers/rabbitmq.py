"""A RabbitMQ of our own: it shares no name server, no cookie and no folder with another one on the machine."""

import os
import socket
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from processes import Child

from servers.served import Served, free_port, program, wait_until

__all__ = ["rabbitmq"]

# what is on the path may be a wrapper that changes the user
_PLACES = ("/usr/lib/rabbitmq/bin/rabbitmq-server",)


@contextmanager
def rabbitmq(folder: Path, settings: Sequence[str] = ()) -> Generator[Served]:
    """One node with its defaults but for these settings; ready when it greets as AMQP does."""
    server, epmd = program("rabbitmq-server", *_PLACES), program("epmd")
    port, distribution, names = (free_port() for _ in range(3))
    home = folder / "rabbitmq"
    home.mkdir()
    (home / "rabbitmq.conf").write_text("\n".join((f"listeners.tcp.1 = 127.0.0.1:{port}", *settings, "")))
    (home / "plugins").write_text("[].\n")
    log = home / "console.log"
    environment = {**os.environ, **_environment(home, port, distribution, names)}
    epmd_command = [epmd, "-address", "127.0.0.1", "-port", str(names)]
    with Child(epmd_command, os.environ, log, home), Child([server], environment, log, home) as node:
        wait_until(lambda: _greets(port), node.process, "rabbitmq-server")
        yield Served(f"amqp://guest:guest@127.0.0.1:{port}/", node.pid, ())


def _environment(home: Path, port: int, distribution: int, names: int) -> dict[str, str]:
    return {
        "HOME": str(home),  # where the cookie is made
        "ERL_EPMD_PORT": str(names),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"bench-{port}@127.0.0.1",
        "RABBITMQ_USE_LONGNAME": "true",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_MNESIA_BASE": str(home / "data"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_LOGS": str(home / "rabbitmq.log"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(home / "no-such-file"),  # not the machine's own
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
        "RABBITMQ_PID_FILE": str(home / "pid"),
        "detached": "true",  # the script becomes the Erlang machine instead of watching over it
    }


def _greets(port: int) -> bool:
    """It closes a connection that speaks another protocol with the name of its own."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"AMQP\x00\x00\x00\x00")
            return connection.recv(4) == b"AMQP"
    except OSError:
        return False
