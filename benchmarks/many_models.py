"""A thousand models on one worker with memory for a hundred: what is resident, what loading costs, what fails.

    python benchmarks/many_models.py --models 1000 --resident 100 --requests 20000

Each model is one of its own, whose answer is its number. A tenth of the models is asked for nine times out of ten. One
worker, `--model '*'`, with room for so many runners; 64 requests on their way. Memory is what the kernel counts: the
proportional set size of the worker, its nursery and its runners, and what the runners share with nobody.
"""

import argparse
import asyncio
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers import serve
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

from predictq import AsyncClient
from predictq.errors import PredictqError
from predictq_cli.output import table
from predictq_registry import Registry, SigningKey
from predictq_worker.runner.linux import private_of

IN_FLIGHT = 64
RUNNER = 15 << 20
HTTP = "127.0.0.1:9477"
ROW = [[5.1, 3.5, 1.4, 0.2]]


def publish(url: str, count: int) -> None:
    """So many models, each of which answers its number."""
    rows = load_iris(return_X_y=True)[0]
    key = SigningKey.ensure(Path(url).parent / "signing.key")
    for number in range(count):
        model = DecisionTreeClassifier().fit(rows, [number] * len(rows))
        Registry(url).publish(_name(number), model, sample=rows[:2], alias="production", signer=key)


def _name(number: int) -> str:
    return f"model-{number:04}"


class Gauge(threading.Thread):
    """Looks at a worker's processes every second, until `stop`."""

    def __init__(self, worker: int) -> None:
        super().__init__(daemon=True)
        self._worker = worker
        self._stop_looking = threading.Event()
        self.runners = 0
        self.private = 0
        self.whole = 0

    def run(self) -> None:
        """Keep the most of each."""
        while not self._stop_looking.wait(1.0):
            self.look()

    def look(self) -> None:
        """Once."""
        nurseries = _children(self._worker)
        runners = [child for nursery in nurseries for child in _children(nursery)]
        self.runners = max(self.runners, len(runners))
        self.private = max(self.private, sum(private_of(runner) or 0 for runner in runners))
        self.whole = max(self.whole, sum(map(_proportional, [self._worker, *nurseries, *runners])))

    def stop(self) -> None:
        """Look no more."""
        self._stop_looking.set()
        self.join()


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(word) for task in tasks for word in (task / "children").read_text().split()]
    except OSError:  # it ended while we looked
        return []


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


async def ask(url: str, models: int, requests: int) -> tuple[Counter[str], list[float]]:
    """How the requests ended, and the seconds that each took."""
    ends: Counter[str] = Counter()
    took: list[float] = []
    dice = random.Random(1)  # noqa: S311  any order will do
    numbers = iter([dice.randrange(models // 10 if dice.random() < 0.9 else models) for _ in range(requests)])

    async def one_after_the_other(client: AsyncClient) -> None:
        for number in numbers:
            started = time.monotonic()
            try:
                right = (await client.predict(_name(number), ROW, timeout=300)).outputs == [number]
                ends["right" if right else "wrong"] += 1
            except PredictqError as error:
                ends[type(error).__name__] += 1
            took.append(time.monotonic() - started)

    async with AsyncClient(url) as client:
        await asyncio.gather(*(one_after_the_other(client) for _ in range(IN_FLIGHT)))
    return ends, took


@contextmanager
def worker(broker: str, registry: str, **settings: object) -> Iterator[int]:
    """One worker of every model, which trusts the key beside the registry; its process."""
    told = {"TRUST": f"{Path(registry).parent}/signing.pub", "HTTP": HTTP, "MODELS": "*", **settings}
    told |= {"BROKER_URL": broker, "REGISTRY_URL": registry}
    variables = {f"PREDICTQ_{name.upper()}": str(value) for name, value in told.items()}
    command = [sys.executable, "-m", "predictq_cli", "worker"]
    with subprocess.Popen(command, env={**os.environ, **variables}, stderr=subprocess.DEVNULL) as process:  # noqa: S603
        try:
            yield process.pid
        finally:
            process.terminate()


def _metrics() -> dict[str, float]:
    with urllib.request.urlopen(f"http://{HTTP}/metrics", timeout=60) as page:
        lines = [line.rpartition(" ") for line in page.read().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def _median_load(metrics: dict[str, float]) -> float:
    """The median of the load times, as straight as the buckets allow."""
    half, below, least = metrics["predictq_load_seconds_count"] / 2, 0.0, 0.0
    for name, count in metrics.items():
        if name.startswith("predictq_load_seconds_bucket"):
            bound = float(name.split('"')[1])
            if count >= half:
                return least + (bound - least) * (half - below) / (count - below)
            below, least = count, bound
    return least


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="A thousand models on one worker.")
    parser.add_argument("--engine", choices=["redis", "sqlite"], default="redis")
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--resident", type=int, default=100)
    parser.add_argument("--requests", type=int, default=20_000)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serve(told.engine, Path(folder)) as server:
        registry = f"{folder}/models"
        publish(registry, told.models)
        with worker(server.url, registry, memory_budget=told.resident * RUNNER) as pid:
            gauge = Gauge(pid)
            gauge.start()
            started = time.monotonic()
            ends, took = asyncio.run(ask(server.url, told.models, told.requests))
            seconds = time.monotonic() - started
            gauge.stop()
            metrics = _metrics()
    print(table(("", ""), _figures(gauge, ends, took, seconds, metrics)))


def _figures(
    gauge: Gauge, ends: Counter[str], took: list[float], seconds: float, metrics: dict[str, float]
) -> list[tuple[object, ...]]:
    loads = sum(value for name, value in metrics.items() if name.startswith("predictq_loads_total"))
    cuts = statistics.quantiles(took, n=100)
    return [
        ("requests, by how they ended", ", ".join(f"{count} {end}" for end, count in ends.items())),
        ("seconds for all of them", f"{seconds:.0f}"),
        ("seconds of one, median / 99 %", f"{cuts[49]:.3f} / {cuts[98]:.2f}"),
        ("loads", f"{loads:.0f}"),
        ("one load, median", f"{_median_load(metrics):.3f} s"),
        ("one load, mean", f"{metrics['predictq_load_seconds_sum'] / metrics['predictq_load_seconds_count']:.3f} s"),
        ("runners at most", gauge.runners),
        ("MB that these shared with nobody, at most", gauge.private >> 20),
        ("MB of all processes, shared pages once, at most", gauge.whole >> 20),
    ]


if __name__ == "__main__":
    main()
