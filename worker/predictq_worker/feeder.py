"""The thread that feeds a process which many releases share: it takes a batch of each, and asks for all at once."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Final

from predictq_broker import Outcome
from predictq_broker.failpoints import reached
from predictq_worker.batcher import Batch
from predictq_worker.feeding import Fed, Turn
from predictq_worker.runner import Runner, RunnerDied

__all__ = ["Feeder"]

_logger = logging.getLogger(__name__)
_MOST: Final = 16
"""Batches asked at once: the first waits for the answer to the last."""
_MOST_BYTES: Final = 1 << 20
_LOOK: Final = 5.0
"""Seconds between two looks at all members: if their process has ended they are all loaded anew."""


class Feeder:
    """Serves its members in the order in which work came to them. Whoever is in trouble goes on alone.

    Its thread lives while it has members. Thread-safe.
    """

    def __init__(self, settle: Callable[[list[Outcome]], None]) -> None:
        self._settle: Final = settle
        self._changed: Final = threading.Condition()
        self._members: Final[dict[Fed, Callable[[], None]]] = {}
        self._called: Final[dict[Fed, None]] = {}
        self._runs = False
        self._next_look = 0.0

    def take_on(self, member: Fed) -> None:
        """Feed it from now on, until it is told to go on alone, or to end."""
        call = partial(self._call, member)
        with self._changed:
            self._members[member] = call
            if not self._runs:
                threading.Thread(target=self._run, name="feeder", daemon=True).start()
                self._runs = True
        member.batcher.listen(call)
        call()

    def _call(self, member: Fed) -> None:
        with self._changed:
            if member in self._members:
                self._called[member] = None
                self._changed.notify()

    def _part(self, member: Fed) -> Callable[[], None]:
        with self._changed:
            call = self._members.pop(member)
            self._called.pop(member, None)
        member.batcher.unlisten(call)
        return call

    # ── the thread ──

    def _run(self) -> None:
        while (some := self._next()) is not None:
            try:
                self._serve(some)
            except Exception:  # a defect of ours: the other members must not suffer
                _logger.exception("feeding went wrong")

    def _next(self) -> Sequence[Fed] | None:
        """Those to serve now; None: there are no members any more."""
        with self._changed:
            while not self._called:
                if not self._members:
                    self._runs = False
                    return None
                self._changed.wait(_LOOK)
                self._look()
            self._look()
            some = list(islice(self._called, _MOST))
            for member in some:
                del self._called[member]
            return some

    def _look(self) -> None:
        """Call those whose process has ended: they are loaded anew before anybody misses them."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK
            self._called.update({member: None for member in self._members if not member.alive})

    def _serve(self, some: Sequence[Fed]) -> None:
        outcomes: list[Outcome] = []
        turns = [turn for member in some if (turn := self._turn(member, outcomes)) is not None]
        for together in _in_one_frame(turns):
            outcomes += self._ask(together)
        if outcomes:
            self._settle(outcomes)
        for member in some:
            if member.batcher.ready:
                self._call(member)

    def _turn(self, member: Fed, outcomes: list[Outcome]) -> Turn | None:
        """What it is to be asked now, if anything; `outcomes` get what needs no question."""
        batch = member.batcher.take(0.0)
        if batch is None:
            self._part(member)
            member.end()
            return None
        turn = member.begin(batch) if member.may_join else None
        if turn is None:
            outcomes += self._let_go(member, batch)
            return None
        outcomes += turn.late
        return turn if turn.batch.works else None

    def _let_go(self, member: Fed, batch: Batch, death: RunnerDied | None = None) -> list[Outcome]:
        """Let it go on alone; the outcomes if there is no thread to be had: it is tried again when work comes."""
        call = self._part(member)
        try:
            member.go_on_alone(batch, death)
        except RuntimeError as error:
            with self._changed:
                self._members[member] = call
            member.batcher.listen(call)
            return member.give_up(batch, error)
        return []

    def _ask(self, turns: Sequence[Turn]) -> list[Outcome]:
        reached("before_predict")
        try:
            answers = Runner.predict_together([(turn.runner, turn.question) for turn in turns])
        except RunnerDied as death:
            return [outcome for turn in turns for outcome in self._let_go(turn.member, turn.batch, death)]
        except Exception as error:  # noqa: BLE001  a defect of ours: it must not leave these requests without an end
            return [outcome for turn in turns for outcome in turn.member.defect(turn.batch, error)]
        reached("after_predict")
        return [
            outcome
            for turn, predicted in zip(turns, answers, strict=True)
            for outcome in turn.member.finish(turn, predicted)
        ]


def _in_one_frame(turns: Sequence[Turn]) -> Iterator[list[Turn]]:
    """The turns in their order, apart those of another process, and what is too large."""
    some: list[Turn] = []
    size = 0
    for turn in turns:
        size += turn.question.size
        if some and (turn.runner.pid != some[0].runner.pid or size > _MOST_BYTES):
            yield some
            some, size = [], turn.question.size
        some.append(turn)
    if some:
        yield some
