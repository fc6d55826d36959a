"""How tasks wait: for the end of a call, or for its verdict and later, through a future, for its end.

The futures are touched in the event loop only.
"""

import asyncio

from predictq.asking import Question
from predictq.call import FIELDS, Call
from predictq.errors import PredictqError
from predictq.exchange import Exchange
from predictq.prediction import Answer, Prediction, prediction_of

__all__ = ["AcceptedCall", "AskedCall", "SentCall"]


class AskedCall(Call, asyncio.Future[Prediction]):
    """A call that is itself the future of its end, and whose verdict nobody awaits; to cancel it withdraws the request.

    One object, because thousands are on their way, and the collector of cycles goes round all of them.
    """

    __slots__ = (*FIELDS, "exchange")

    def __init__(
        self, question: Question, retry_for: float, loop: asyncio.AbstractEventLoop, exchange: Exchange
    ) -> None:
        asyncio.Future.__init__(self, loop=loop)
        Call.__init__(self, question, retry_for)
        self.exchange = exchange

    def cancel(self, msg: object = None) -> bool:
        """Want it no more; False if it has ended already. A late answer is dropped."""
        cancelled = super().cancel(msg)
        if cancelled:
            self.exchange.abandon(self)
        return cancelled

    def finished(self, answer: Answer) -> None:
        """Give the future its end."""
        if not self.done():
            _end(self, answer)


class SentCall(Call):
    """A call whose answer goes elsewhere: a task awaits the broker's verdict."""

    __slots__ = (*FIELDS, "judged")

    wants_answer = False
    wants_verdict = True

    def __init__(self, question: Question, retry_for: float) -> None:
        super().__init__(question, retry_for)
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

    def __init__(self, question: Question, retry_for: float) -> None:
        super().__init__(question, retry_for)
        self.future: asyncio.Future[Prediction] = asyncio.get_running_loop().create_future()

    def finished(self, answer: Answer) -> None:
        """Give the future its end; before the verdict, an error of ours is the verdict and all there is."""
        was_verdict = self._judge(answer if isinstance(answer, PredictqError) else None)
        if self.future.done() or (was_verdict and isinstance(answer, PredictqError)):
            return
        _end(self.future, answer)


def _end(future: "asyncio.Future[Prediction]", answer: Answer) -> None:
    prediction = prediction_of(answer)
    if isinstance(prediction, Prediction):
        future.set_result(prediction)
    else:
        future.set_exception(prediction)
