"""How tasks wait: for the end of a call, or for its verdict and later, through a future, for its end.

All of it is touched in the event loop only.
"""

import asyncio

from predictq.call import Call
from predictq.errors import PredictqError
from predictq.prediction import Answer, Prediction, prediction_of
from predictq_broker import Request

__all__ = ["AcceptedCall", "AwaitedCall", "SentCall"]


class AwaitedCall(Call):
    """A call that one task awaits until its end."""

    __slots__ = ("ended",)

    def __init__(self, request: Request, retry_for: float, *, chosen: bool, ended: "asyncio.Future[Answer]") -> None:
        super().__init__(request, retry_for, chosen=chosen)
        self.ended = ended

    def finished(self, answer: Answer) -> None:
        """Wake the task; an error is a value here, so that none is lost unseen."""
        if not self.ended.done():
            self.ended.set_result(answer)


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
        prediction = prediction_of(answer)
        if isinstance(prediction, PredictqError):
            self.future.set_exception(prediction)
        else:
            self.future.set_result(prediction)
