"""How threads wait: for the end of a call, or for its verdict and later, through a future, for its end."""

import concurrent.futures
import threading
from collections.abc import Callable

from predictq.asking import Question
from predictq.call import FIELDS, Call
from predictq.errors import PredictqError
from predictq.prediction import Answer, Prediction, prediction_of

__all__ = ["FutureCall", "PredictionFuture", "SendCall", "WaitingCall"]


class WaitingCall(Call):
    """A call that one thread sleeps on until its end."""

    __slots__ = (*FIELDS, "_answer", "_ended")

    reads = True

    def __init__(self, question: Question, retry_for: float) -> None:
        super().__init__(question, retry_for)
        self._answer: Answer | None = None
        self._ended = threading.Lock()  # held until the end: the cheapest thing a thread can sleep on
        self._ended.acquire()

    def finished(self, answer: Answer) -> None:
        """Wake the thread."""
        self._answer = answer
        self._ended.release()

    def wait(self) -> Prediction:
        """Sleep until the end; returns the prediction or raises why there is none."""
        with self._ended:
            answer = self._answer
        assert answer is not None  # noqa: S101  the lock opens only when it is set
        prediction = prediction_of(answer)
        if isinstance(prediction, PredictqError):
            raise prediction
        return prediction


class SendCall(Call):
    """A call whose answer goes elsewhere: a thread sleeps on it until the broker's verdict."""

    __slots__ = (*FIELDS, "_error", "_judged")

    wants_answer = False
    wants_verdict = True

    def __init__(self, question: Question, retry_for: float) -> None:
        super().__init__(question, retry_for)
        self._error: PredictqError | None = None
        self._judged = threading.Event()

    def accepted(self) -> None:
        """Wake the thread: all is well."""
        self._judged.set()

    def finished(self, answer: Answer) -> None:
        """Wake the thread: the broker does not have it, or nobody knows."""
        self._error = answer if isinstance(answer, PredictqError) else None
        self._judged.set()

    def wait_for_verdict(self) -> None:
        """Sleep until the verdict; raises if it was not accepted."""
        self._judged.wait()
        if self._error is not None:
            raise self._error


class PredictionFuture(concurrent.futures.Future[Prediction]):
    """A prediction to come, as `concurrent.futures` has it; `cancel` withdraws the request if it has not run."""

    def __init__(self, request_id: str, abandon: Callable[[], bool]) -> None:
        super().__init__()
        self.request_id = request_id
        self._abandon = abandon

    def cancel(self) -> bool:
        """Want it no more; False if it has ended already. A late answer is dropped."""
        if not super().cancel():
            return False
        if self._abandon():  # else its end was on the way, and whoever brings it tells those who wait
            self.set_running_or_notify_cancel()
        return True


class FutureCall(SendCall):
    """A call whose verdict a thread sleeps on, and whose end goes to a future."""

    __slots__ = ("future",)

    wants_answer = True

    def __init__(self, question: Question, retry_for: float, abandon: Callable[[Call], bool]) -> None:
        super().__init__(question, retry_for)
        self.future = PredictionFuture(self.id, lambda: abandon(self))

    def finished(self, answer: Answer) -> None:
        """Give the future its end; before the verdict, an error is the verdict."""
        super().finished(answer)
        if not self.future.set_running_or_notify_cancel():
            return
        prediction = prediction_of(answer)
        if isinstance(prediction, PredictqError):
            self.future.set_exception(prediction)
        else:
            self.future.set_result(prediction)
