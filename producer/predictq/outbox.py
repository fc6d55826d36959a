"""Sends what callers ask: everything that came together meanwhile goes in one call to the broker."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Final, assert_never

from predictq import complaints
from predictq.backoff import Backoff
from predictq.call import ASKED, DONE, Call, Event
from predictq.pending import Pending
from predictq.post import Denied, Judged, NoAnswer, Post
from predictq.settings import Settings
from predictq.waiting_line import WaitingLine
from predictq_broker import Request
from predictq_broker.alike import Alike

__all__ = ["Outbox"]

_log = logging.getLogger(__name__)
_LATE, _LATE_PART = 0.05, 0.01
"""Seconds of waiting here, and part of the time there was, that are not taken off a deadline: requests whose time is
equal are sent and read together."""
_form: Final = attrgetter("form")


class Outbox:
    """A thread that empties the waiting line into the broker, in order, and tells callers the verdicts.

    While the broker cannot be reached, what was offered goes back to the head of the line and is offered again
    with the same ids, until it is told `Unavailable`.
    """

    def __init__(
        self, post: Post, pending: Pending, settings: Settings, deliver: Callable[[list[Event]], None]
    ) -> None:
        self._post = post
        self._pending = pending
        self._deliver = deliver
        self.line = WaitingLine(settings)
        self._turn = threading.Lock()  # whoever holds it sends
        self._backoff = Backoff()
        self._pause = 0.0
        self._closed = threading.Event()
        self._offered: list[Call] = []
        self._thread = threading.Thread(target=self._run, name="predictq-outbox", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def send_now(self) -> None:
        """Send from the calling thread, unless another one is sending: it saves a lone request a thread switch."""
        if not self._pause and self._turn.acquire(blocking=False):
            try:
                self._round()
            finally:
                self._turn.release()
        self.line.wake_if_waiting()

    def _run(self) -> None:
        while self.line.wait():
            with self._turn:
                self._closed.wait(self._pause)
                self._round()
        self._withdraw()

    def _round(self) -> None:
        self._withdraw()
        self._offered = self.line.take()
        try:
            self._offer(self._offered)
        except BaseException:  # a signal in the thread of a caller: the others' requests go on without it
            self.line.put_back([call for call in self._offered if call.stage is ASKED])
            raise
        if self._closed.is_set():
            self._deliver(self._pending.failed(self._offered, complaints.closed))
        self._offered = []

    def _offer(self, batch: Sequence[Call]) -> None:
        models = _by_model([call for call in batch if call.stage is not DONE])
        runs = [run for calls in models.values() for run in _runs(calls)]
        for first, some in groupby(runs, key=itemgetter(0)):
            no_answer = self._hand_in([calls for _, calls in some], first=first)
            if no_answer is not None:
                self._try_again([call for call in batch if call.stage is ASKED], no_answer)
                return
        self._pause = 0.0
        self._backoff.reset()

    def _hand_in(self, runs: Sequence[Sequence[Call]], *, first: bool) -> NoAnswer | None:
        """Offer all of these at once, each for one model; tell who has a verdict, and return why others have none."""
        expecting = [calls[0].form.model for calls in runs if any(call.wants_answer for call in calls)]
        batches = [self._requests(calls) for calls in runs]
        no_answer: NoAnswer | None = None
        for calls, offered in zip(runs, self._post.offer(batches, expecting=expecting, first=first), strict=True):
            if isinstance(offered, NoAnswer):
                no_answer = offered
            else:
                self._tell(calls, offered)
        return no_answer

    def _withdraw(self) -> None:
        for model, calls in _by_model(self.line.take_withdrawn()).items():
            self._post.withdraw(model, [call.id for call in calls])

    def _requests(self, calls: Sequence[Call]) -> Sequence[Request]:
        now = time.monotonic()
        for call in calls:
            call.sent = True
        form = calls[0].form
        if not [call for call in calls if call.form is not form] and _are_in_time(calls, now):
            return Alike(form, [call.id for call in calls], [call.body for call in calls])
        return [call.request if _are_in_time((call,), now) else _with_time_left(call, now) for call in calls]

    def _tell(self, calls: Sequence[Call], offered: Judged | Denied) -> None:
        match offered:
            case Judged(verdicts):
                if events := self._pending.judged(calls, verdicts):
                    self._deliver(events)
            case Denied():
                self._deliver(self._pending.failed(calls, lambda call: complaints.denied(call, *offered)))
            case _:
                assert_never(offered)

    def _try_again(self, calls: Sequence[Call], no_answer: NoAnswer) -> None:
        if not self._pause:
            _log.warning("the broker cannot be reached, trying again: %s", no_answer.reason)
        for call in calls:
            call.trouble = no_answer.reason
        self.line.put_back(calls)
        self._deliver(self._pending.failed(self.line.take_overdue(time.monotonic()), complaints.unavailable))
        self._pause = self._backoff.next()

    def close(self) -> list[Call]:
        """Stop sending; returns the calls that have no verdict."""
        self._closed.set()
        left = [*self._offered, *self.line.close()]
        if self._thread.ident is not None:
            self._thread.join(0.3)
        return [call for call in left if call.stage is ASKED]


def _by_model(calls: Sequence[Call]) -> dict[str, list[Call]]:
    groups: dict[str, list[Call]] = {}
    for form, alike in groupby(calls, _form):
        groups.setdefault(form.model, []).extend(alike)
    return groups


def _runs(calls: Sequence[Call]) -> Iterable[tuple[bool, Sequence[Call]]]:
    """The calls in their order, apart those whose ids nobody can know but us, and the others."""
    known = {call for call in calls if call.sent or call.chosen}
    if not known:
        return [(True, calls)]
    return [(first, list(run)) for first, run in groupby(calls, lambda call: call not in known)]


def _are_in_time(calls: Sequence[Call], now: float) -> bool:
    """Whether so much of the time of these, which had equally much, is left that nothing need be taken off it."""
    ttl = calls[0].form.ttl
    if ttl is None:
        return True
    return min([call.expires for call in calls]) - now > min(ttl - _LATE, ttl - ttl * _LATE_PART)


def _with_time_left(call: Call, now: float) -> Request:
    """The request, which had to wait here: its deadline is as much nearer."""
    return call.request._replace(ttl=max(call.expires - now, 0.001))
