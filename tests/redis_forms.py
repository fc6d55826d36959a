"""Redis as it runs in production: watched by Sentinels, or shared out over a cluster."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
import redis
from redis.crc import key_slot
from servers import RedisServer, free_port, need_program

__all__ = ["RedisCluster", "Watched"]

_SLOTS = 16384


def _directory(parent: Path, name: str) -> Path:
    made = parent / name
    made.mkdir()
    return made


class RedisCluster:
    """Primaries that share the slots, each with as many replicas as asked for.

    Args:
        directory: Where the files of all go.
        primaries: How many.
        replicas: How many for each; without one a primary that is killed stays away.
    """

    def __init__(self, directory: Path, primaries: int = 3, replicas: int = 0) -> None:
        self._stack = contextlib.ExitStack()
        self._replicas = replicas
        self._buses = [free_port() for _ in range(primaries * (1 + replicas))]
        self.nodes = [self._node(directory, n, bus) for n, bus in enumerate(self._buses)]
        self.primaries = self.nodes[:primaries]

    @staticmethod
    def _node(directory: Path, number: int, bus: int) -> RedisServer:
        fast = ("--cluster-node-timeout", "1000", "--cluster-replica-validity-factor", "0")
        alike = ("--cluster-enabled", "yes", "--repl-diskless-sync-delay", "0", *fast)
        return RedisServer(
            _directory(directory, f"node-{number}"), options=(*alike, "--cluster-port", str(bus))
        )  # else the bus is at the port and 10000, which may be too much, or taken

    @property
    def url(self) -> str:
        """What to give to `connect`: two of the nodes."""
        return f"redis+cluster://{','.join(f'127.0.0.1:{node.port}' for node in self.nodes[:2])}"

    def start(self) -> Self:
        for node in self.nodes:
            self._stack.enter_context(node.start())
        size = -(-_SLOTS // len(self.primaries))
        for n, node in enumerate(self.primaries):
            with node.client() as client:
                client.execute_command("CLUSTER ADDSLOTSRANGE", n * size, min((n + 1) * size, _SLOTS) - 1)
                client.execute_command("CLUSTER SET-CONFIG-EPOCH", n + 1)
        self._introduce()
        self._until(lambda said: said["cluster_state"] == "ok" and int(said["cluster_known_nodes"]) == len(self.nodes))
        for n, node in enumerate(self.nodes[len(self.primaries) :]):
            with node.client() as client:
                client.execute_command("CLUSTER REPLICATE", self.name(self.primaries[n % len(self.primaries)]))
        self.until_replicated()
        return self

    def _introduce(self) -> None:
        with self.nodes[0].client() as client:
            for node, bus in zip(self.nodes[1:], self._buses[1:], strict=True):
                client.execute_command("CLUSTER MEET", "127.0.0.1", node.port, bus)

    def until_replicated(self, timeout: float = 30.0) -> None:
        """Wait until each primary has its replicas."""
        deadline = time.monotonic() + timeout
        for node in self.primaries:
            with node.client() as client:
                while client.info("replication")["connected_slaves"] < self._replicas:
                    assert time.monotonic() < deadline, "a replica does not connect"
                    time.sleep(0.05)

    def _until(self, condition: Any, timeout: float = 30.0) -> None:
        deadline = time.monotonic() + timeout
        for node in self.nodes:
            with node.client() as client:
                while not condition(client.cluster("INFO")):
                    assert time.monotonic() < deadline, f"the cluster is not ready: {client.cluster('INFO')}"
                    time.sleep(0.05)

    @staticmethod
    def name(node: RedisServer) -> str:
        """What the cluster calls it."""
        with node.client() as client:
            said: Any = client.execute_command("CLUSTER MYID")
            return str(said.decode())

    def owner(self, key: str) -> RedisServer:
        """The node that has the slot of `key` now, as a node that lives sees it."""
        slot = key_slot(key.encode())
        for node in self.nodes:
            with contextlib.suppress(redis.ConnectionError), node.client() as client:
                said: Any = client.execute_command("CLUSTER", "SLOTS")
                ports = [primary[1] for first, last, primary, *_ in said if first <= slot <= last]
                return next(node for node in self.nodes if node.port in ports)
        pytest.fail(f"nobody has slot {slot}")

    def move(self, key: str, target: RedisServer) -> Iterator[int]:
        """Move the slot of `key` to `target`, one key after the other; yields how many are still to be moved."""
        source, slot = self.owner(key), key_slot(key.encode())
        with source.client() as here, target.client() as there:
            there.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", self.name(source))
            here.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", self.name(target))
            while keys := here.execute_command("CLUSTER GETKEYSINSLOT", slot, 1000):
                yield len(keys)
                here.execute_command("MIGRATE", "127.0.0.1", target.port, keys[0], 0, 5000)
            for client in (there, here):
                client.execute_command("CLUSTER SETSLOT", slot, "NODE", self.name(target))

    def flush(self) -> None:
        """Forget everything."""
        for node in self.primaries:
            node.flush()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.push(self)  # a start that fails leaves no process behind
            self.start()
            stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


class Watched:
    """A primary and its replicas, watched by Sentinels that agree on which is the primary.

    Args:
        directory: Where the files of all go.
        replicas: How many.
        appendfsync: As of `RedisServer`.
    """

    SERVICE = "mymaster"

    def __init__(self, directory: Path, replicas: int = 1, appendfsync: str | None = None) -> None:
        self._stack = contextlib.ExitStack()
        self._directory = directory
        options = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
        primary = RedisServer(_directory(directory, "server-0"), appendfsync, options)
        following = (*options, "--replicaof", "127.0.0.1", str(primary.port))
        others = [
            RedisServer(_directory(directory, f"server-{n + 1}"), appendfsync, following) for n in range(replicas)
        ]
        self.servers = [primary, *others]
        self._ports = [free_port() for _ in range(3)]

    @property
    def url(self) -> str:
        """What to give to `connect`."""
        return f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in self._ports)}/{self.SERVICE}/0"

    @property
    def primary(self) -> RedisServer:
        """The server that the Sentinels call the primary now."""
        with redis.Redis(port=self._ports[0], decode_responses=True) as sentinel:
            said: Any = sentinel.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", self.SERVICE)
        return next(server for server in self.servers if server.port == int(said[1]))

    def start(self) -> Self:
        for server in self.servers:
            self._stack.enter_context(server.start())
        for number, port in enumerate(self._ports):
            self._stack.callback(_end, self._sentinel(number, port))
        self.until_watched()
        return self

    def _sentinel(self, number: int, port: int) -> "subprocess.Popen[bytes]":
        directory = _directory(self._directory, f"sentinel-{number}")
        (directory / "sentinel.conf").write_text(
            f"port {port}\nbind 127.0.0.1\ndir {directory}\n"
            f"sentinel monitor {self.SERVICE} 127.0.0.1 {self.servers[0].port} 2\n"
            f"sentinel down-after-milliseconds {self.SERVICE} 500\n"
            f"sentinel failover-timeout {self.SERVICE} 5000\n"
        )
        command = [need_program("redis-server"), str(directory / "sentinel.conf"), "--sentinel"]
        with (directory / "sentinel.log").open("wb") as log:
            return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def until_watched(self, timeout: float = 30.0) -> None:
        """Wait until every Sentinel knows the others and all replicas, and all replicas follow."""
        deadline = time.monotonic() + timeout
        for port in self._ports:
            with redis.Redis(port=port, decode_responses=True) as sentinel:
                while not self._sees_all(sentinel):
                    assert time.monotonic() < deadline, "the Sentinels do not find each other"
                    time.sleep(0.05)

    def _sees_all(self, sentinel: "redis.Redis") -> bool:
        try:
            said: Any = sentinel.execute_command("SENTINEL MASTER", self.SERVICE)
            replicas: Any = sentinel.execute_command("SENTINEL REPLICAS", self.SERVICE)
        except redis.ConnectionError:
            return False
        following = [r for r in replicas if r["flags"] == "slave" and r["master-link-status"] == "ok"]
        wanted = len(self.servers) - 1
        return said["flags"] == "master" and said["num-other-sentinels"] == 2 and len(following) == wanted

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.push(self)  # a start that fails leaves no process behind
            self.start()
            stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait(timeout=20)
