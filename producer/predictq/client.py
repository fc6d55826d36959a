"""The client for programs of threads."""

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Self, Unpack

from predictq import bulk
from predictq.asking import Options, checked_queue
from predictq.blocking import FutureCall, PredictionFuture, SendCall, WaitingCall
from predictq.call import Call, tell
from predictq.complaints import no_room
from predictq.connection import Connection
from predictq.errors import QueueFull
from predictq.exchange import Exchange
from predictq.feedback import REF, report_of
from predictq.prediction import Prediction
from predictq.settings import Settings
from predictq.values import Rows
from predictq_broker import Broker

__all__ = ["Client"]

_PATIENT = 15.0
"""Seconds within which any engine gives up on one call. Who can wait that long may send and receive in its own
thread, which saves thread switches; who cannot must not be caught in a call to a broker that does not answer."""


class Client:
    """Asks models for predictions. One is enough for a process; any number of threads may share it.

    It connects when it is first used. Use it as a context manager, or close it. In a process forked later it
    connects anew; futures of before the fork stay with the parent.

    Args:
        url: The broker; `PREDICTQ_BROKER_URL` if not given, `sqlite:///predictq.db` if that is not set.
        settings: Limits and patience.
        broker: A broker to use instead of a URL; it stays open when the client closes.
    """

    def __init__(
        self, url: str | None = None, *, settings: Settings | None = None, broker: Broker | None = None
    ) -> None:
        self._connection = Connection(url, settings, broker)
        self._settings = self._connection.settings

    def predict(
        self, model: str, rows: Rows, *, timeout: float | None = 30.0, **options: Unpack[Options]
    ) -> Prediction:
        """Ask and wait for the answer.

        Args:
            model: Which model.
            rows: A list of rows, of records or of texts; a NumPy array; a pandas, polars or Arrow table.
            timeout: Seconds to wait; also the request's deadline, unless a nearer one is given. None: for ever.
            **options: See `Options`.

        Raises:
            DeadlineExceeded: if no answer came in time; the request is withdrawn.
            PredictqError: whatever else is in the way; see `predictq.errors`.
        """
        exchange = self._exchange()
        asked = exchange.questions.make(model, rows, options, timeout=timeout)
        call = WaitingCall(asked, self._settings.retry_for)
        with self._asked(exchange, call):
            exchange.read_for(call, until=call.expires - _PATIENT)
            return call.wait()

    def submit(self, model: str, rows: Rows, **options: Unpack[Options]) -> PredictionFuture:
        """Ask, and return a future as soon as the broker has accepted the request.

        Raises:
            QueueFull: if there is no room now; nothing is stored.
            Unavailable: if nobody knows whether it was accepted; submitting again with the same id is safe.
            PredictqError: whatever else is in the way; see `predictq.errors`.
        """
        (outcome,) = self._submitted(model, [rows], options)
        if isinstance(outcome, QueueFull):
            raise outcome
        return outcome

    def _submitted(self, model: str, parts: list[Rows], options: Options) -> list[PredictionFuture | QueueFull]:
        """As `submit`, all in one call to the broker; in order, and what found no room has the error in its place."""
        exchange, calls = self._exchange(), list[FutureCall]()
        for rows in parts:
            asked = exchange.questions.make(model, rows, options)
            calls.append(FutureCall(asked, self._settings.retry_for, exchange.abandon))
        with self._asked(exchange, *calls):
            return [_accepted(call) for call in calls]

    def send(self, model: str, rows: Rows, *, reply_to: str = "", **options: Unpack[Options]) -> str:
        """Ask, and have the answer put on the durable result queue `reply_to`; empty: nobody wants it.

        Returns the request's id once the broker has accepted it. Raises as `submit` does.
        """
        queue = checked_queue(reply_to) if reply_to else ""
        exchange = self._exchange()
        asked = exchange.questions.make(model, rows, options, reply_to=queue)
        call = SendCall(asked, self._settings.retry_for)
        with self._asked(exchange, call):
            call.wait_for_verdict()
        return call.id

    def feedback(self, prediction: Prediction | str, value: float, *, model: str = "", timeout: float = 30.0) -> None:
        """Report what came of a prediction, for the experiment that it was part of; returns once that is stored.

        Args:
            prediction: The prediction; or its id, with its `model`.
            value: The outcome: 1 or 0 for whether it was bought, an amount, an error.
            model: Which model predicted.
            timeout: Seconds to wait. Reporting the same again does no harm.
        """
        asked, rows = report_of(prediction, value, model)
        self.predict(asked, rows, timeout=timeout, ref=REF)

    def map(
        self, model: str, rows: Rows, *, chunk: int | None = None, window: int | None = None, **options: Unpack[Options]
    ) -> Generator[Prediction, None, None]:
        """Ask about any number of rows, `chunk` at a time; yields one prediction for each chunk, in order.

        Without `chunk` it is 1000 rows, or of an array so many that they take about a megabyte, 4096 at most. `rows`
        may be a generator: it is read only as far as needed, and at most `window` chunks are held. A full queue is
        waited for. A chunk that fails raises here; then, and if the caller stops early, the chunks still
        on their way are cancelled.
        """
        plan = bulk.Plan[PredictionFuture](rows, chunk, window, options, self._settings)
        return bulk.run(plan, lambda parts: self._submitted(model, parts, options))

    def _exchange(self) -> Exchange:
        return self._connection.exchange(tell)

    @contextmanager
    def _asked(self, exchange: Exchange, *calls: Call) -> Generator[None, None, None]:
        """Send these calls; if a signal ends the waiting for them, nobody wants them any more."""
        try:
            self._ask(exchange, calls)
            yield
        except BaseException:
            for call in calls:
                exchange.abandon(call)
            raise

    def _ask(self, exchange: Exchange, calls: Sequence[Call]) -> None:
        first = calls[0]
        if exchange.line.is_full and not exchange.line.wait_for_room(min(first.give_up, first.expires)):
            raise no_room(first)
        exchange.ask(calls, send_now=first.expires - time.monotonic() >= _PATIENT)

    def close(self) -> None:
        """End what is outstanding with `Cancelled`, and disconnect. Prompt; may be called twice."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _accepted(call: FutureCall) -> PredictionFuture | QueueFull:
    """Its future, once the broker has it."""
    try:
        call.wait_for_verdict()
    except QueueFull as full:
        return full
    return call.future
