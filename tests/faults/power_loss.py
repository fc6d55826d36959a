"""Does what a broker acknowledged survive a loss of power?

    python tests/faults/power_loss.py --engine redis --rounds 20

Killing a server proves nothing about that: what it wrote is in the kernel's memory and reaches the disk all the same.
Here the data lie on a disk of our own. In each round a program sends and settles; then whoever writes is stopped
in mid-air, the disk's image is copied (what was not flushed is not in it), everybody is killed, the copy takes the
disk's place, and what was acknowledged is compared with what is found. It takes root, a loop device and mkfs.ext4.

Each engine is tried as it promises to survive (`always`, `full`, `quorum`) and, as the control without which a zero
would say nothing, as it does not (`everysec`, `normal`, and a RabbitMQ whose fsync does nothing, which takes gcc).
"""

import argparse
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol, Self

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from faults.power_loss_disk import Disk
from freezing import stop
from mounts import command
from servers import RedisServer
from workers import eventually, python_env

from predictq_broker import Broker, BrokerUnavailable, Capacity, connect

SENDER = Path(__file__).with_name("power_loss_sender.py")


class Server(Protocol):
    """What keeps the data, if it is a process of its own."""

    url: str

    @property
    def pid(self) -> int: ...
    def start(self) -> object: ...
    def kill(self) -> None: ...
    def stop(self) -> None: ...


class Embedded:
    """SQLite: there is no server, the sender itself writes."""

    def __init__(self, directory: Path, synchronous: str) -> None:
        self.url = f"sqlite:///{directory}/predictq.db?synchronous={synchronous}"
        self.pid = 0

    def start(self) -> None:
        """Nothing runs."""

    kill = stop = start


def rabbitmq(directory: Path, setting: str) -> Server:
    """Quorum queues and publisher confirms. No setting of RabbitMQ is weaker: the control is one that cannot flush."""
    from rabbitmq import RabbitServer

    class Patient(RabbitServer):
        def start(self, timeout: float = 300.0) -> Self:
            return super().start(timeout)

    class CannotFlush(Patient):
        def _environment(self) -> dict[str, str]:
            return {**super()._environment(), "LD_PRELOAD": str(directory / "no_fsync.so")}

    if setting == "quorum":
        return Patient(directory)
    source = Path(__file__).with_name("power_loss_no_fsync.c")
    command("gcc", "-shared", "-fPIC", "-O1", "-o", directory / "no_fsync.so", source)
    return CannotFlush(directory)


SETTINGS: dict[tuple[str, str], Callable[[Path, str], Server]] = {
    ("sqlite", "full"): Embedded,
    ("sqlite", "normal"): Embedded,
    ("redis", "always"): RedisServer,
    ("redis", "everysec"): RedisServer,
    ("rabbitmq", "quorum"): rabbitmq,
    ("rabbitmq", "no-fsync"): rabbitmq,
}


class Toll(NamedTuple):
    """What came of some rounds.

    Attributes:
        rounds: How often the power was cut.
        accepted: Requests of which the broker had said that it accepted them.
        lost: Those of them that were found neither waiting nor answered.
        settled: Answers of which the broker had said that it stored them.
        undone: Those of them that were not found; their request waits again, or is lost.
    """

    rounds: int = 0
    accepted: int = 0
    lost: int = 0
    settled: int = 0
    undone: int = 0

    def __add__(self, other: "Toll") -> "Toll":  # type: ignore[override]  # a sum of figures, not a longer tuple
        return Toll(*(a + b for a, b in zip(self, other, strict=True)))


class Sender:
    """The program that sends, and all it said."""

    def __init__(self, url: str) -> None:
        program = [sys.executable, str(SENDER), url]
        self._process = subprocess.Popen(program, env=python_env(), stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        self.said: dict[str, set[str]] = {"accepted": set(), "settled": set()}
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                if line.endswith("\n"):
                    what, *ids = line.split()
                    self.said[what].update(ids)

    def kill(self) -> None:
        """End it; `said` is complete then."""
        self._process.kill()
        self._process.wait(10)
        self._reader.join()


@contextmanager
def disk(folder: Path) -> Iterator[Disk]:
    """A disk that is gone in the end."""
    disk = Disk(folder)
    try:
        yield disk
    finally:
        disk.close()


def one_round(server: Server, disk: Disk, seconds: float) -> Toll:
    """Start, send, cut the power, look."""
    server.start()
    disk.flush()
    sender = Sender(server.url)
    try:
        eventually(lambda: len(sender.said["settled"]) > 500, "the broker settles", timeout=60)
        time.sleep(seconds)
        stop(server.pid or sender.pid)
        disk.photograph()
    finally:
        sender.kill()
        server.kill()
    disk.cut()
    server.start()
    try:
        waiting, answered = survivors(server.url)
    finally:
        server.kill()
    accepted, settled = sender.said["accepted"], sender.said["settled"]
    return Toll(1, len(accepted), len(accepted - waiting - answered), len(settled), len(settled - answered))


def survivors(url: str) -> tuple[set[str], set[str]]:
    """Ids of the requests and of the results that are there, once the dead sender's lease has run out."""
    with connect(url) as broker:
        eventually(lambda: _answers(broker), "the broker is back", timeout=60)
        return _waiting(broker), _answered(broker)


def _answers(broker: Broker) -> bool:
    try:
        broker.stats("iris")
    except BrokerUnavailable:
        return False
    return True


def _waiting(broker: Broker) -> set[str]:
    consumer = broker.consumer("auditor", lease=0.5)
    found: set[str] = set()
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < 2.0:
        consumer.renew()
        consumer.reclaim()
        if deliveries := consumer.receive({"iris": Capacity(10_000)}, 0.05):
            found |= {delivery.request.id for delivery in deliveries}
            quiet_since = time.monotonic()
    consumer.close()
    return found


def _answered(broker: Broker) -> set[str]:
    subscription = broker.subscription("audit")
    found: set[str] = set()
    while results := subscription.receive(10_000, 0.2):
        found |= {delivery.result.id for delivery in results}
    subscription.close()
    return found


def run(engine: str, setting: str, rounds: int, seed: int = 0, longest: float = 2.0) -> Toll:
    """Cut the power so often, each time on an empty disk, after up to `longest` seconds of load."""
    moments = random.Random(seed)  # noqa: S311  the moments are to be the same again
    toll = Toll()
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="predictq-power-") as folder, disk(Path(folder)) as place:
            server = SETTINGS[engine, setting](place.path, setting)
            try:
                toll += one_round(server, place, moments.uniform(0.1, longest))
            finally:
                server.stop()
    return toll


def main() -> None:
    """Run what was asked for, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=sorted({engine for engine, _ in SETTINGS}), required=True)
    parser.add_argument("--setting", help="only this one; all of the engine's, if left out")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    print("| engine | setting | rounds | accepted | lost | settled | undone |")  # noqa: T201  a program that prints
    print("|---|---|--:|--:|--:|--:|--:|")  # noqa: T201  as above
    for engine, setting in SETTINGS:
        if engine == chosen.engine and chosen.setting in (None, setting):
            figures = " | ".join(f"{figure:,}" for figure in run(engine, setting, chosen.rounds, chosen.seed))
            print(f"| {engine} | {setting} | {figures} |", flush=True)  # noqa: T201  as above


if __name__ == "__main__":
    main()
