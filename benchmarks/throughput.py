"""Single-row requests a second and their latency: predictq on SQLite and on Redis, beside a bare loop.

All take turns on the same machine with the same model and one worker; each figure is the median of the turns.
In all of them the asking process checks every answer. Nothing is excluded: a request's time runs from the call
to the decoded answer. What is compared is not the same thing: the bare loop loses requests when a process dies.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import orjson
from own_redis import own_redis

from predictq_cli.demo.load import ALONE, Plan
from predictq_cli.demo.phase import Figures
from predictq_cli.demo.place import Place
from predictq_cli.demo.processes import Asker, Server
from predictq_cli.demo.releases import flowers, train_better
from predictq_cli.output import table
from predictq_registry import Registry

MODEL = "bench-iris"
STEADY = "steady"
Turn = Callable[[], Mapping[str, Figures]]


class Bench(NamedTuple):
    """What every turn needs."""

    folder: Path
    seconds: float
    in_flight: int


def predictq_turn(bench: Bench, broker: str) -> Mapping[str, Figures]:
    """Start a worker and an asker, and measure."""
    data = flowers()
    trained = train_better(data)
    place = Place(bench.folder, broker, str(bench.folder / "models"), MODEL, "")
    registry = Registry(place.registry)
    if MODEL not in registry.models():
        registry.publish(MODEL, trained.estimator, sample=data.frame, alias="production")
    plan = Plan(broker, MODEL, data.rows, {"1": trained.predicts}, bench.in_flight)
    with Server(place) as server:
        server.wait_ready()
        with Asker(place, plan) as asker:
            asker.wait_ready()
            for phase, seconds in ((ALONE, 1.0), ("warm-up", 1.0), (STEADY, bench.seconds)):
                asker.turn_to(phase)
                asker.watch(seconds)
            asker.finish()
            return asker.phases


def bare_turn(bench: Bench, broker: str) -> Mapping[str, Figures]:
    """The same with the bare loop."""
    import joblib

    data = flowers()
    model = bench.folder / "bare.joblib"
    joblib.dump(train_better(data).estimator.fit(data.frame.to_numpy(), data.species), model)
    script = str(Path(__file__).with_name("bare_loop.py"))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, script, "worker", broker, str(model)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as worker:  # noqa: S603  our own script
        try:
            assert worker.stdout is not None and worker.stdout.readline() == b"ready\n"  # noqa: S101, PT018  or nothing is measured
            asking = [sys.executable, script, "ask", broker, str(bench.seconds), str(bench.in_flight)]
            told = subprocess.run(asking, capture_output=True, check=True)  # noqa: S603  our own script
        finally:
            worker.kill()
    return dict(orjson.loads(told.stdout))


def median(turns: list[Mapping[str, Figures]], phase: str, figure: str) -> float:
    """Of one figure of one phase."""
    return statistics.median(float(turn[phase][figure]) for turn in turns)  # type: ignore[literal-required]  one of Figures


def line(name: str, turns: list[Mapping[str, Figures]]) -> tuple[str, ...]:
    """A row of the table."""
    faults = sum(phase["failed"] + phase["wrong"] for turn in turns for phase in turn.values())
    rates = [turn[STEADY]["per_second"] for turn in turns]
    return (
        name,
        f"{median(turns, STEADY, 'per_second'):,.0f}",
        f"{min(rates):,.0f} - {max(rates):,.0f}",
        f"{median(turns, STEADY, 'p50'):.1f}",
        f"{median(turns, STEADY, 'p99'):.1f}",
        f"{median(turns, ALONE, 'p50'):.2f}",
        f"{median(turns, ALONE, 'p99'):.2f}",
        str(faults),
    )


def measure(bench: Bench, rounds: int, redis: str | None) -> dict[str, list[Mapping[str, Figures]]]:
    """Take turns."""
    turns: dict[str, Turn] = {
        "predictq, SQLite": lambda: predictq_turn(bench, f"sqlite:///{bench.folder / 'broker.db'}")
    }
    if redis is None:
        print("there is no redis-server on this machine: only SQLite is measured", file=sys.stderr)
    else:
        turns["predictq, Redis"] = lambda: predictq_turn(bench, redis)
        turns["bare loop, Redis"] = lambda: bare_turn(bench, f"{redis[:-1]}1")
    found: dict[str, list[Mapping[str, Figures]]] = {name: [] for name in turns}
    for number in range(rounds):
        for name, turn in turns.items():
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr)
            found[name].append(turn())
            _forget(redis)
    return found


def _forget(redis: str | None) -> None:
    """The next turn begins with an empty server; it is our own."""
    if redis is not None:
        from redis import Redis

        with Redis.from_url(redis) as connection:
            connection.flushall()


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of steady load in each turn")
    parser.add_argument("--in-flight", type=int, default=2048)
    parser.add_argument("--durable", action="store_true", help="Redis with appendonly, fsync every second")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="predictq-bench-") as folder:
        bench = Bench(Path(folder), chosen.seconds, chosen.in_flight)
        with own_redis(bench.folder, durable=chosen.durable) as redis:
            found = measure(bench, chosen.rounds, redis)
    persistence = "appendonly, fsync every second" if chosen.durable else "no persistence"
    print(f"\n{os.cpu_count()} cores, {chosen.in_flight:,} in flight, {chosen.rounds} rounds; Redis: {persistence}\n")
    columns = ("", "requests/s", "least - most", "p50 ms", "p99 ms", "alone p50", "alone p99", "failed or wrong")
    print(table(columns, (line(name, turns) for name, turns in found.items())))


if __name__ == "__main__":
    main()
