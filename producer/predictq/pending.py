"""The calls that wait for their answer, and the rules by which each comes to exactly one end.

Every step of every call is taken here, under one lock; what follows from it is returned as events, to be told
outside the lock. So a call ends once, whoever comes first: its answer, its deadline, its caller's change of
mind, a broker that refused it, or the end of the client.
"""

import threading
import time
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final, assert_never

from predictq import complaints
from predictq.call import ACCEPTED, ASKED, DONE, Call, Event
from predictq.due import Due
from predictq.errors import PredictqError
from predictq.prediction import Answer
from predictq.remembered import Remembered
from predictq_broker import Result, Verdict

__all__ = ["Pending"]

_TAKEN: Final = Verdict.ACCEPTED


class Pending:
    """Every call between its asking and its end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: dict[str, Call] = {}
        self._due = Due()
        self._remembered = Remembered()

    def __len__(self) -> int:
        """How many answers are waited for."""
        return len(self._calls)

    def add(self, calls: Sequence[Call]) -> list[Event]:
        """Expect answers to these calls; a call whose id already stands for another question ends here."""
        events: list[Event] = []
        with self._lock:
            self._due.add(calls, time.monotonic())
            for call in calls:
                if call.chosen:
                    self._add_chosen(call, events)
                elif call.wants_answer:
                    self._calls[call.id] = call
        return events

    def _add_chosen(self, call: Call, events: list[Event]) -> None:
        if not call.wants_answer:
            return
        other = self._calls.get(call.id)
        if other is not None and not _same_question(other, call):
            self._end(call, complaints.conflict(call), events)
            return
        call.twin = other
        self._calls[call.id] = call

    def judged(self, calls: Sequence[Call], verdicts: Sequence[Verdict]) -> list[Event]:
        """What the broker said of each of these calls."""
        events: list[Event] = []
        with self._lock:
            for call, verdict in zip(calls, verdicts, strict=True):
                if call.stage is not ASKED:
                    continue
                if verdict is _TAKEN and call.wants_answer and not call.wants_verdict and call.early is None:
                    call.stage = ACCEPTED  # the common case
                else:
                    self._judge(call, verdict, events)
        return events

    def _judge(self, call: Call, verdict: Verdict, events: list[Event]) -> None:
        match verdict:
            case Verdict.ACCEPTED:
                self._accept(call, call.early, events)
            case Verdict.DUPLICATE:
                self._accept(call, call.early or self._remembered.find(call.request), events)
            case Verdict.CONFLICT:
                self._refuse(call, complaints.conflict(call), events)
            case Verdict.QUEUE_FULL:
                self._refuse(call, complaints.queue_full(call), events)
            case Verdict.RESULTS_FULL:
                self._refuse(call, complaints.results_full(call), events)
            case _:
                assert_never(verdict)

    def _accept(self, call: Call, answer: Answer | None, events: list[Event]) -> None:
        if answer is not None and call.wants_answer:
            self._unlink(call)
            self._end(call, answer, events)
            return
        if call.wants_answer:
            call.stage = ACCEPTED
        else:
            self._done(call)
        if call.wants_verdict:
            events.append((call, None))

    def _refuse(self, call: Call, error: PredictqError, events: list[Event]) -> None:
        self._unlink(call)
        self._end(call, error, events)

    def answered(self, results: Sequence[Result]) -> list[Event]:
        """Results that came; those that nobody waits for, and repeated ones, are dropped."""
        events: list[Event] = []
        with self._lock:
            for result in results:
                call = self._calls.pop(result.id, None)
                if call is None:
                    self._remembered.offer(result)
                while call is not None:
                    if call.chosen:
                        self._answer(call, result, events)
                    else:
                        self._end(call, result, events)
                    call = call.twin
        return events

    def _answer(self, call: Call, result: Result, events: list[Event]) -> None:
        self._remembered.keep(result)
        if call.stage is ASKED:
            call.early = result  # perhaps the answer to an earlier question: wait for the verdict
        else:
            self._end(call, result, events)

    def failed(self, calls: Sequence[Call], error: Callable[[Call], PredictqError]) -> list[Event]:
        """These calls end in an error that leaves open whether the broker has them."""
        events: list[Event] = []
        with self._lock:
            for call in calls:
                if call.stage is not DONE:
                    self._unlink(call)
                    self._remembered.watch(call.id)
                    self._end(call, error(call), events)
        return events

    def abandon(self, call: Call) -> bool | None:
        """Its caller wants no answer any more.

        Returns None if it had ended before; else whether the broker may hold a request nobody wants now.
        """
        with self._lock:
            if call.stage is DONE:
                return None
            self._unlink(call)
            self._done(call)
            if call.chosen:
                self._remembered.watch(call.id)
            return call.sent and call.id not in self._calls

    @property
    def next_deadline(self) -> float:
        """When the next open call is due, on the monotonic clock; never later than it is."""
        return self._due.next

    def overdue(self, now: float) -> list[Call]:
        """The open calls whose deadline has passed."""
        with self._lock:
            return self._due.pop(now)

    def is_wanted(self, id_: str) -> bool:
        """Whether somebody still waits for the answer to this id."""
        return id_ in self._calls

    def close(self) -> list[Event]:
        """End every call that waits for an answer."""
        events: list[Event] = []
        with self._lock:
            for first in self._calls.values():
                call: Call | None = first
                while call is not None:
                    self._end(call, complaints.closed(call), events)
                    call = call.twin
            self._calls.clear()
        return events

    def _end(self, call: Call, answer: Answer, events: list[Event]) -> None:
        call.stage = DONE
        self._due.discard(call)
        events.append((call, answer))

    def _done(self, call: Call) -> None:
        call.stage = DONE
        self._due.discard(call)

    def _unlink(self, call: Call) -> None:
        """Take one call out, and leave its twins."""
        id_ = call.id
        first = self._calls.get(id_)
        if first is call:
            if call.twin is None:
                del self._calls[id_]
            else:
                self._calls[id_] = call.twin
            return
        while first is not None and first.twin is not call:
            first = first.twin
        if first is not None:
            first.twin = call.twin


def _same_question(one: Call, other: Call) -> bool:
    return one.body == other.body and _asked(one.form) == _asked(other.form)


_asked: Final = attrgetter("model", "ref", "method", "content_type")
