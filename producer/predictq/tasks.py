"""How tasks wait: for the end of a call, or for its verdict and later, through a future, for its end.

All of it is touched in the event loop only.
"""

import asyncio
from collections.abc import Callable

from predictq.call import Call
from predictq.errors import PredictqError
from predictq.prediction import Answer, Prediction, prediction_of
from predictq_broker import Request

__all__ = ["AcceptedCall", "AwaitedCall", "SentCall"]


class AskedFuture(asyncio.Future[Prediction]):
    """A prediction to come; to cancel it withdraws the request."""

    __slots__ = ("call",)
    call: "AwaitedCall"

    def cancel(self, msg: object = None) -> bool:
        """Want it no more; False if it has ended already. A late answer is dropped."""
        cancelled = super().cancel(msg)
        if cancelled:
            self.call.abandon(self.call)
        return cancelled


class AwaitedCall(Call):
    """A call whose end goes to a future, and whose verdict nobody awaits."""

    __slots__ = ("abandon", "future")

    def __init__(
        self,
        request: Request,
        retry_for: float,
        *,
        chosen: bool,
        loop: asyncio.AbstractEventLoop,
        abandon: Callable[[Call], object],
    ) -> None:
        Call.__init__(self, request, retry_for, chosen=chosen)
        self.abandon = abandon
        self.future = AskedFuture(loop=loop)
        self.future.call = self

    def finished(self, answer: Answer) -> None:
        """Give the future its end."""
        future = self.future
        del self.future  # it knows us too: without this, both would wait for the collector
        if not future.done():
            _end(future, answer)


class SentCall(Call):
    """A call whose answer goes elsewhere: a task awaits the broker's verdict."""

    __slots__ = ("judged",)

    wants_answer = False
    wants_verdict = True

    def __init__(self, request: Request, retry_for: float, *, chosen: bool) -> None:
        super().__init__(request, retry_for, chosen=chosen)
        self.judged: asyncio.Future[PredictqError | None] = asyncio.get_running_loop().create_future()

    def accepted(self) -> None:
        """Wake the task: all is well."""
        self._judge(None)

    def finished(self, answer: Answer) -> None:
        """Wake the task: the broker does not have it, or nobody knows."""
        self._judge(answer if isinstance(answer, PredictqError) else None)

    def _judge(self, error: PredictqError | None) -> bool:
        if self.judged.done():
            return False
        self.judged.set_result(error)
        return True


class AcceptedCall(SentCall):
    """A call whose verdict a task awaits, and whose end goes to a future."""

    __slots__ = ("future",)

    wants_answer = True

    def __init__(self, request: Request, retry_for: float, *, chosen: bool) -> None:
        super().__init__(request, retry_for, chosen=chosen)
        self.future: asyncio.Future[Prediction] = asyncio.get_running_loop().create_future()

    def finished(self, answer: Answer) -> None:
        """Give the future its end; before the verdict, an error of ours is the verdict and all there is."""
        was_verdict = self._judge(answer if isinstance(answer, PredictqError) else None)
        if self.future.done() or (was_verdict and isinstance(answer, PredictqError)):
            return
        _end(self.future, answer)


def _end(future: "asyncio.Future[Prediction]", answer: Answer) -> None:
    prediction = prediction_of(answer)
    if isinstance(prediction, PredictqError):
        future.set_exception(prediction)
    else:
        future.set_result(prediction)
