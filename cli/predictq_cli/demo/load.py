"""The demo's load generator, a process of its own: `python -m predictq_cli.demo.load PLAN`.

It asks one request at a time, or keeps many single-row requests in flight, and compares every answer with
what the release that gave it predicts. Each line on stdin names the next phase; each line on stdout is the
`Figures` of a phase. It ends when stdin does, and waits for every answer still on its way.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from predictq import AsyncClient, PredictqError
from predictq_cli.demo.phase import Phase

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ALONE", "FIRST", "Plan", "main"]

FIRST: Final = "first"
"""The phase it begins with, in which whatever is slow only once is done."""
ALONE: Final = "alone"
"""As in `FIRST`, requests are sent one at a time; in any other phase, `in_flight` at once."""
_TICK: Final = 0.1
_TIMEOUT: Final = 30.0


class Plan(NamedTuple):
    """What to ask, and what is right.

    Attributes:
        broker: The broker's URL.
        model: The model's name.
        rows: The rows, each asked alone.
        right: By version, what it predicts for each row.
        in_flight: How many requests are on their way at any moment.
    """

    broker: str
    model: str
    rows: list[list[float]]
    right: dict[str, list[str]]
    in_flight: int


class Load:
    """Asks on and on, in phases."""

    def __init__(self, client: AsyncClient, plan: Plan) -> None:
        self._client = client
        self._model = plan.model
        self._questions = [[row] for row in plan.rows]
        self._right: dict[int, list[Any]] = {
            int(version): [[output] for output in outputs] for version, outputs in plan.right.items()
        }
        self._in_flight = plan.in_flight
        self._phase = Phase(FIRST)
        self._on = True
        self._crowd = asyncio.Event()

    async def run(self) -> None:
        """Ask until stdin ends; every request is answered when this returns."""
        reporter = asyncio.create_task(self._report())
        await self._ask_on(0, lambda: not self._crowd.is_set())
        await self._crowd.wait()
        await asyncio.gather(*(self._ask_on(place, lambda: self._on) for place in range(self._in_flight)))
        reporter.cancel()
        self._say(ended=True)

    async def _ask_on(self, place: int, wanted: Callable[[], bool]) -> None:
        """One requester: asks for a row, checks the answer, asks for the next."""
        predict, clock, count = self._client.predict, time.perf_counter, len(self._questions)
        while wanted():
            place = (place + 1) % count
            began = clock()
            try:
                answer = await predict(self._model, self._questions[place], timeout=_TIMEOUT)
            except PredictqError as error:
                self._phase.failed(f"{error.code}: {error}")
                await asyncio.sleep(0.05)
                continue
            right = self._right.get(answer.version)
            self._phase.answered(
                clock() - began, answer.version, right=right is not None and answer.outputs == right[place]
            )

    def turn_to(self, name: str | None) -> None:
        """Begin the next phase; None: come to an end."""
        if name is None:
            self._on = False
        else:
            self._say(ended=True)
            self._phase = Phase(name)
        if name not in {FIRST, ALONE}:
            self._crowd.set()

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self._say(ended=False)

    def _say(self, *, ended: bool) -> None:
        sys.stdout.buffer.write(orjson.dumps(self._phase.figures(ended=ended)) + b"\n")
        sys.stdout.buffer.flush()


def _listen(load: Load, loop: asyncio.AbstractEventLoop) -> None:
    for line in sys.stdin:
        loop.call_soon_threadsafe(load.turn_to, line.strip())
    loop.call_soon_threadsafe(load.turn_to, None)


async def _run(plan: Plan) -> None:
    async with AsyncClient(plan.broker) as client:
        load = Load(client, plan)
        threading.Thread(target=_listen, args=(load, asyncio.get_running_loop()), daemon=True).start()
        await load.run()


def main() -> None:
    """Follow the plan in the file named by the first argument."""
    plan = Plan(**orjson.loads(Path(sys.argv[1]).read_bytes()))
    # As a busy service would: thousands of live requests make every collection long, and none of them is garbage.
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    asyncio.run(_run(plan))


if __name__ == "__main__":
    main()
