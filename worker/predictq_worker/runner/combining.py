"""Questions of many threads to one process: whoever may ask asks for all who wait, so that few turns serve many."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from predictq_worker.runner.errors import RunnerDied, RunnerGone
from predictq_worker.runner.messages import Predicted, Question

__all__ = ["Combiner"]

_MOST: Final = 16
"""Questions asked at once: the first waits for the answer to the last."""
_MOST_BYTES: Final = 1 << 20


class _Waiting:
    """A thread with a question, asleep until there is an answer, or until it is its turn to ask for all."""

    __slots__ = ("_awake", "alone", "answer", "error", "leads", "question")

    def __init__(self, question: Question, *, alone: bool) -> None:
        self.question: Final = question
        self.alone: Final = alone
        self.answer: Predicted | None = None
        self.error: BaseException | None = None
        self.leads = False
        self._awake: Final = threading.Lock()
        self._awake.acquire()

    def sleep(self) -> None:
        self._awake.acquire()

    def wake(self) -> None:
        self._awake.release()


class Combiner:
    """Asks for one answer at a time, or for several at once. Thread-safe; first come, first asked."""

    def __init__(self, ask: Callable[[Sequence[Question]], list[Predicted]]) -> None:
        """`ask` is called by one thread at a time; the errors are its own."""
        self._ask: Final = ask
        self._lock: Final = threading.Lock()
        self._waiting: Final[deque[_Waiting]] = deque()
        self._asking = False

    def ask(self, question: Question, *, alone: bool) -> Predicted:
        """The answer; `alone`: to this question only, so that its end is nobody else's.

        Raises:
            RunnerGone: if the process ended before, or while it was asked several at once.
            RunnerDied: if it ended of this question.
        """
        mine = _Waiting(question, alone=alone)
        with self._lock:
            self._waiting.append(mine)
            mine.leads = not self._asking
            self._asking = True
        if not mine.leads:
            mine.sleep()
        if mine.leads:
            self._ask_for_all(mine)
        if mine.answer is None:
            raise mine.error or RunnerGone("whoever asked for all was interrupted")
        return mine.answer

    def _ask_for_all(self, leader: _Waiting) -> None:
        some = self._next()
        try:
            answers = self._ask([waiting.question for waiting in some])
            for waiting, answer in zip(some, answers, strict=True):
                waiting.answer = answer
        except RunnerDied as death:
            blamed = death if len(some) == 1 else RunnerGone(death.reason)
            for waiting in some:
                waiting.error = blamed
        finally:
            self._hand_over()
            for waiting in some:
                if waiting is not leader:
                    waiting.wake()

    def _next(self) -> list[_Waiting]:
        """Those who are asked for together: who leads is the first of them."""
        with self._lock:
            some = [self._waiting.popleft()]
            size = some[0].question.size
            while self._waiting and len(some) < _MOST and not (some[0].alone or self._waiting[0].alone):
                size += self._waiting[0].question.size
                if size > _MOST_BYTES:
                    break
                some.append(self._waiting.popleft())
            return some

    def _hand_over(self) -> None:
        with self._lock:
            self._asking = bool(self._waiting)
            if self._waiting:
                self._waiting[0].leads = True
                self._waiting[0].wake()
