"""Closed-loop and open-loop load on one client."""

import asyncio
import random
import time
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from load.client import Client
from load.tally import Figures, Tally

__all__ = ["Loop"]

_SLICE = 512
_PATIENCE = 10.0
_WHOLE = 1.0
"""Nothing is due in a closed loop: it waits a second at least, for some libraries block for whole seconds or poll."""


class Loop:
    """Keeps requests on their way, times them, and compares every answer with what is right.

    Args:
        client: Whom to ask.
        rows: The rows, asked in turn.
        right: The label of each.
    """

    def __init__(self, client: Client, rows: Sequence[Any], right: Sequence[Any]) -> None:
        self._client = client
        self._rows = rows
        self._right = right
        self._sent: dict[int, float] = {}
        self._number = 0
        self._tally = Tally()

    async def ready(self, within: float) -> bool:
        """Ask until a right answer has come; what was asked before it is forgotten."""
        end = time.perf_counter() + within
        while time.perf_counter() < end:
            self._tally = Tally()
            self._sent.clear()
            await self._send(1, time.perf_counter())
            await self._drain(5.0)
            if self._tally.figures()["answered"]:
                return True
            await asyncio.sleep(0.1)
        return False

    async def fill(self, in_flight: int) -> None:
        """Send so many, and receive nothing."""
        while (missing := in_flight - len(self._sent)) > 0:
            await self._send(min(missing, _SLICE), time.perf_counter())

    async def first(self, within: float) -> int:
        """Wait for the first answers, once a worker has been started; how many came."""
        self._tally = Tally()
        end = time.perf_counter() + within
        while not self._tally.total and (left := end - time.perf_counter()) > 0:
            await self._receive(min(left, 1.0))
        return self._tally.total

    async def closed(self, in_flight: int, seconds: float, warm_up: float, turn_over: float = 0.0) -> Figures:
        """Always `in_flight` requests on their way: an answer is followed by the next request.

        With `turn_over` the warm-up lasts, so many seconds longer at most, until as many have been answered as are on
        their way: whoever is slow to ask finds many answers that were made meanwhile, and they are no pace to be kept.
        """
        self._tally = Tally()
        await self.fill(in_flight)
        await self._go_round(in_flight, warm_up)
        end = time.perf_counter() + turn_over
        while self._tally.total < in_flight and time.perf_counter() < end:
            await self._go_round(in_flight, 1.0)
        self._tally.start()
        await self._go_round(in_flight, seconds)
        return self._tally.figures()

    async def _go_round(self, in_flight: int, seconds: float) -> None:
        clock = time.perf_counter
        end = clock() + seconds
        while (left := end - clock()) > 0:
            await self._receive(max(left, _WHOLE))
            missing = in_flight - len(self._sent)
            if missing > 0:
                await self._send(missing, clock())

    async def open(self, rate: float, seconds: float, warm_up: float) -> Figures:
        """Requests come at random moments, `rate` a second on average, whatever the answers do.

        A request's time runs from the moment at which it was due, not from when we got round to send it:
        a stall delays all that were due meanwhile, and is counted for each of them.
        """
        await self._drain(_PATIENCE)
        self._sent.clear()
        self._tally = Tally()
        await self._follow(arrivals(rate, warm_up))
        await self._drain(_PATIENCE)
        self._tally.start()
        await self._follow(arrivals(rate, seconds))
        await self._drain(_PATIENCE)
        return self._tally.figures(unanswered=len(self._sent))

    async def _follow(self, due: Sequence[float]) -> None:
        clock = time.perf_counter
        began, sent = clock(), 0
        while sent < len(due):
            now = clock() - began
            ready = bisect_right(due, now, sent)
            if ready > sent:
                await self._send_due([began + moment for moment in due[sent:ready]])
                sent = ready
            wait = due[sent] - (clock() - began) if sent < len(due) else 0.0
            await self._receive(max(0.0, wait))

    async def _send_due(self, moments: Sequence[float]) -> None:
        for place in range(0, len(moments), _SLICE):
            part = moments[place : place + _SLICE]
            numbers = range(self._number, self._number + len(part))
            self._sent.update(zip(numbers, part, strict=True))
            await self._ask(numbers)

    async def _send(self, count: int, now: float) -> None:
        numbers = range(self._number, self._number + count)
        self._sent.update(dict.fromkeys(numbers, now))
        await self._ask(numbers)

    async def _ask(self, numbers: range) -> None:
        self._number = numbers.stop
        rows, count = self._rows, len(self._rows)
        await self._client.send([(number, rows[number % count]) for number in numbers])

    async def _receive(self, wait: float) -> None:
        answers = await self._client.receive(wait)
        now, count = time.perf_counter(), len(self._rows)
        for number, answer in answers:
            began = self._sent.pop(number, None)
            if began is not None:
                self._tally.add(now - began, answer, self._right[number % count])

    async def _drain(self, within: float) -> None:
        end = time.perf_counter() + within
        while self._sent and (left := end - time.perf_counter()) > 0:
            await self._receive(left)


def arrivals(rate: float, seconds: float) -> Sequence[float]:
    """The moments of a Poisson process, from a fixed seed: each contender gets the same."""
    chance = random.Random(20)  # noqa: S311  no secret
    gaps = (chance.expovariate(rate) for _ in range(int(rate * seconds)))
    return list(accumulate(gaps))
