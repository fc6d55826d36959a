"""What a swap of releases costs while requests come: how long nobody is answered, and when the new one answers.

    python benchmarks/swap.py --engine redis --swaps 30

One worker with one runner, 64 requests on their way, an alias that is moved every two seconds. The pause is the longest
time between two answers, from the moment the alias is moved until half a second after the first answer of the other
release; beside it the same length of time before each move, in which nothing was moved. Whether a release is in memory
already, a worker does not know of: each is loaded, checked and warmed anew at every move.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from many_models import ROW, worker
from servers import serve
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from predictq import AsyncClient
from predictq.errors import PredictqError
from predictq_cli.output import table
from predictq_registry import Registry, SigningKey

IN_FLIGHT = 64
BETWEEN = 2.0


class Answer(NamedTuple):
    """When it came, from which version; 0 for an error, -1 for a wrong one."""

    at: float
    version: int


class Caller:
    """Keeps requests on their way, and remembers when answers came."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self.answers: list[Answer] = []

    async def ask(self) -> None:
        """One after the other, until cancelled."""
        while True:
            try:
                got = await self._client.predict("iris", ROW, timeout=60)
                version = got.version if got.outputs == [got.version % 2 * 10] else -1
            except PredictqError:
                version = 0
            self.answers.append(Answer(time.monotonic(), version))

    async def first_of(self, version: int, since: float) -> float:
        """When the first answer of `version` came after `since`."""
        # an event would be set by thousands of answers a second
        while not (found := [at for at, came in self.answers[-1000:] if came == version and at > since]):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        return found[0]

    def pause(self, start: float, end: float) -> float:
        """The longest time between two answers within that time."""
        times = [start, *(answer.at for answer in self.answers if start < answer.at < end), end]
        return max(later - earlier for earlier, later in pairwise(times))


def publish(url: str) -> None:
    """Two versions: the odd one answers 10, the even one 0."""
    rows, _ = load_iris(return_X_y=True)
    key = SigningKey.ensure(Path(url).parent / "signing.key")
    for shift in (10, 0):
        model = LogisticRegression(max_iter=200).fit(rows, [shift] * 50 + [shift + 1] * 100)
        Registry(url).publish("iris", model, sample=rows, alias="production", signer=key)


class Move(NamedTuple):
    """Seconds until the other release answered, the longest pause, and the longest without a move."""

    until: float
    pause: float
    control: float


async def swap(url: str, registry: Registry, swaps: int) -> tuple[list[Answer], list[Move]]:
    """Move the alias so often; what was answered, and what each move cost."""
    moves: list[Move] = []
    async with AsyncClient(url) as client:
        caller = Caller(client)
        asking = [asyncio.create_task(caller.ask()) for _ in range(IN_FLIGHT)]
        await caller.first_of(2, 0.0)
        for number in range(swaps):
            await asyncio.sleep(BETWEEN)
            moved, version = time.monotonic(), 1 + number % 2
            registry.set_alias("iris", "production", version)
            came = await caller.first_of(version, moved)
            await asyncio.sleep(0.5)
            end = time.monotonic()
            control = caller.pause(moved - (end - moved), moved)
            moves.append(Move(came - moved, caller.pause(moved, end), control))
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    return caller.answers, moves


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="What a swap of releases costs.")
    parser.add_argument("--engine", choices=["redis", "sqlite"], default="redis")
    parser.add_argument("--swaps", type=int, default=30)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serve(told.engine, Path(folder)) as server:
        url = f"{folder}/models"
        publish(url)
        with worker(server.url, url):
            answers, moves = asyncio.run(swap(server.url, Registry(url), told.swaps))
    figures = zip(_TOLD, zip(*moves, strict=True), strict=True)
    print(table(("", "median", "most"), [_line(*figure) for figure in figures]))
    wrong = sum(answer.version < 0 for answer in answers)
    print(f"{len(answers)} answers, {wrong} wrong, {sum(answer.version == 0 for answer in answers)} errors")


_TOLD = (
    "from the move of the alias to the first answer of the other release",
    "longest pause between answers around it",
    "longest pause between answers, nothing moved",
)


def _line(what: str, seconds: Sequence[float]) -> tuple[str, str, str]:
    return what, f"{statistics.median(seconds) * 1000:.0f} ms", f"{max(seconds) * 1000:.0f} ms"


if __name__ == "__main__":
    main()
