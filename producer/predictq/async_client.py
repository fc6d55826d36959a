"""The client for programs of asyncio tasks."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Self, Unpack

from predictq import bulk
from predictq.asking import Options, checked_queue
from predictq.call import Call, Event, tell
from predictq.connection import Connection
from predictq.errors import QueueFull
from predictq.exchange import Exchange
from predictq.feedback import REF, report_of
from predictq.gate import Gate
from predictq.prediction import Prediction
from predictq.settings import Settings
from predictq.tasks import AcceptedCall, AskedCall, SentCall
from predictq.values import Rows
from predictq_broker import Broker

__all__ = ["AsyncClient"]


class AsyncClient:
    """Asks models for predictions from asyncio; thousands of calls share one connection and are sent together.

    It belongs to the event loop it is first used on, and connects then. Use it as an asynchronous context
    manager, or close it. Arguments and errors are those of `Client`.
    """

    def __init__(
        self, url: str | None = None, *, settings: Settings | None = None, broker: Broker | None = None
    ) -> None:
        self._connection = Connection(url, settings, broker)
        self._settings = self._connection.settings
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening: asyncio.Future[Exchange] | None = None
        self._gate = Gate()
        self._passes = 0  # so many may join the line before somebody looks whether it is full
        self._fresh: list[Call] = []  # asked in this turn of the loop
        self._joined: Exchange | None = None  # whom they asked: found open in this turn, so there was no fork since

    async def predict(
        self,
        model: str,
        rows: Rows,
        *,
        timeout: float | None = 30.0,  # noqa: ASYNC109  it is the request's deadline too
        **options: Unpack[Options],
    ) -> Prediction:
        """Ask and wait for the answer, as `Client.predict`. Cancelling the task withdraws the request."""
        future = self.ask(model, rows, timeout=timeout, **options)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                future.exception()  # it came in the same moment: let nobody complain that it was not looked at
            raise

    def ask(
        self, model: str, rows: Rows, *, timeout: float | None = 30.0, **options: Unpack[Options]
    ) -> "asyncio.Future[Prediction]":
        """As `predict`, but returns at once, with a future: of thousands, each costs less than a task.

        To cancel it withdraws the request. What cannot be asked at all is raised here.
        """
        loop = asyncio.get_running_loop()
        exchange = (self._joined if self._loop is loop else None) or self._opened(loop)
        if exchange is None or (self._passes <= 0 and not self._look(exchange)):
            return loop.create_task(self._ask_in_turn(model, rows, options, timeout))
        asked = exchange.questions.make(model, rows, options, timeout=timeout)
        call = AskedCall(asked, self._settings.retry_for, loop, exchange)
        self._ask(exchange, call, loop)
        return call

    async def _ask_in_turn(self, model: str, rows: Rows, options: Options, within: float | None) -> Prediction:
        exchange, loop = await self._exchange(), asyncio.get_running_loop()
        asked = exchange.questions.make(model, rows, options, timeout=within)
        call = AskedCall(asked, self._settings.retry_for, loop, exchange)
        await self._pass(exchange, call)
        self._ask(exchange, call, loop)
        return await call

    async def submit(self, model: str, rows: Rows, **options: Unpack[Options]) -> "asyncio.Future[Prediction]":
        """Ask, and return a future as soon as the broker has accepted the request, as `Client.submit`.

        Cancelling the future withdraws the request.
        """
        exchange = await self._exchange()
        asked = exchange.questions.make(model, rows, options)
        call = AcceptedCall(asked, self._settings.retry_for)
        call.future.add_done_callback(lambda future: future.cancelled() and exchange.abandon(call))
        await self._judged(exchange, call)
        return call.future

    async def send(self, model: str, rows: Rows, *, reply_to: str = "", **options: Unpack[Options]) -> str:
        """Ask, and have the answer put on a durable result queue, as `Client.send`."""
        queue = checked_queue(reply_to) if reply_to else ""
        exchange = await self._exchange()
        asked = exchange.questions.make(model, rows, options, reply_to=queue)
        call = SentCall(asked, self._settings.retry_for)
        await self._judged(exchange, call)
        return call.id

    async def feedback(
        self,
        prediction: Prediction | str,
        value: float,
        *,
        model: str = "",
        timeout: float = 30.0,  # noqa: ASYNC109  it is the request's deadline too
    ) -> None:
        """Report what came of a prediction, as `Client.feedback`."""
        asked, rows = report_of(prediction, value, model)
        await self.predict(asked, rows, timeout=timeout, ref=REF)

    def map(
        self, model: str, rows: Rows, *, chunk: int | None = None, window: int | None = None, **options: Unpack[Options]
    ) -> AsyncGenerator[Prediction, None]:
        """Ask about any number of rows, `chunk` at a time, as `Client.map`."""
        plan = bulk.Plan["asyncio.Future[Prediction]"](rows, chunk, window, options, self._settings)
        return bulk.run_async(plan, lambda parts: self._submitted(model, parts, options))

    async def _submitted(
        self, model: str, parts: list[Rows], options: Options
    ) -> "list[asyncio.Future[Prediction] | QueueFull]":
        """As `submit` of each, together; in order, and what found no room has the error in its place."""
        tasks = [asyncio.ensure_future(self.submit(model, rows, **options)) for rows in parts]
        try:
            return [await _accepted(task) for task in tasks]
        except BaseException:
            for task in tasks:
                _drop(task)
            raise

    async def _judged(self, exchange: Exchange, call: SentCall) -> None:
        await self._pass(exchange, call)
        self._ask(exchange, call, asyncio.get_running_loop())
        try:
            error = await call.judged
        except asyncio.CancelledError:
            exchange.abandon(call)
            raise
        if error is not None:
            raise error

    async def _exchange(self) -> Exchange:
        loop = asyncio.get_running_loop()
        return self._opened(loop) or await self._open(loop)

    def _opened(self, loop: asyncio.AbstractEventLoop) -> Exchange | None:
        """The exchange, if there is nothing to wait for."""
        opening = self._opening
        return self._connection.opened if self._loop is loop and opening is not None and opening.done() else None

    async def _open(self, loop: asyncio.AbstractEventLoop) -> Exchange:
        if self._loop is None:
            self._loop = loop
        if self._loop is not loop:
            raise RuntimeError("this AsyncClient belongs to another event loop: make one for each loop")
        opening = self._opening
        if opening is None or opening.done():
            # It may block, so it is done in a thread: once, for all tasks that come meanwhile, and these stay in order.
            opening = self._opening = asyncio.ensure_future(asyncio.to_thread(self._connection.exchange, self._deliver))
        return await asyncio.shield(opening)

    def _deliver(self, events: list[Event]) -> None:
        """Bring what became of many calls to the loop at once."""
        loop = self._loop
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
            if loop is not None:
                loop.call_soon_threadsafe(tell, events)

    async def _pass(self, exchange: Exchange, call: Call) -> None:
        """Wait until this call may join the line."""
        if self._passes <= 0 and not self._look(exchange):
            await self._gate.pass_through(exchange.line, call)

    def _look(self, exchange: Exchange) -> bool:
        """Whether anybody may join the line in this turn of the loop; it is seen how many."""
        self._passes = self._gate.passes(exchange.line, len(self._fresh))
        return self._passes > 0

    def _ask(self, exchange: Exchange, call: Call, loop: asyncio.AbstractEventLoop) -> None:
        self._passes -= 1
        self._fresh.append(call)
        if self._joined is None:
            self._joined = exchange
            loop.call_soon(self._hand_over, exchange)

    def _hand_over(self, exchange: Exchange) -> None:
        """Give the exchange at once all that tasks have asked in this turn of the loop."""
        calls, self._fresh, self._passes, self._joined = self._fresh, [], 0, None
        exchange.ask(calls)

    async def close(self) -> None:
        """End what is outstanding with `Cancelled`, and disconnect. Prompt; may be called twice."""
        await asyncio.to_thread(self._connection.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def _accepted(task: "asyncio.Task[asyncio.Future[Prediction]]") -> "asyncio.Future[Prediction] | QueueFull":
    try:
        return await task
    except QueueFull as full:
        return full


def _drop(task: "asyncio.Task[asyncio.Future[Prediction]]") -> None:
    """Want neither the verdict any more, nor the answer."""
    if not task.done():
        task.cancel()
    elif not task.cancelled() and task.exception() is None:
        task.result().cancel()
