"""Tries queues out before they are read on a link that holds requests: what breaks here breaks nothing else.

A quorum queue without a leader (being made, or just recovering from a crash) says that it is empty and read by nobody.
Whoever then reads it has the whole connection closed (541 INTERNAL_ERROR), or gets no answer before there is a leader.

To make a queue and try it out takes the server tens of milliseconds, most of which it waits. A thousand models have
four thousand queues: so it is done beside the reading, a few at once, and what can be read is read meanwhile.
"""

import heapq
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Final, NamedTuple

from predictq_broker.errors import BrokerError, BrokerUnavailable
from predictq_broker.kombu.fields import read_arrival, returned_letter
from predictq_broker.kombu.link import Fate, Link
from predictq_broker.kombu.queues import LANES, Queue, Queues
from predictq_broker.messages import Priority

__all__ = ["PATIENCE", "Lane", "Scout"]

_logger = logging.getLogger(__name__)
PATIENCE: Final = 3.0
"""Seconds after which a trial that has no answer is one of a queue in trouble."""
_AT_ONCE: Final = 4
"""Tasks at once; of the least urgent there is one. A server on few cores does no more with more of them."""
_SHORTEST: Final = 0.1
_LONGEST: Final = 10.0
"""Seconds between two trials of a queue in trouble: twice as long each time."""
_REST: Final = 1.0
"""Seconds until more is tried when no link could be opened."""
_LOOK, _USUAL, _OTHER = range(3)
"""How urgent a task is: first what waits anywhere is found, then the queues are made that most requests go to."""


class Lane(NamedTuple):
    """One queue of a model's requests."""

    model: str
    lane: str


class _Task(NamedTuple):
    urgency: int
    number: int
    lanes: tuple[Lane, ...]


class _Trouble(NamedTuple):
    pause: float
    until: float


class Scout:
    """Which queues of requests may be read. Each is told by `found` once, after it was asked for.

    Args:
        connect: Opens a link that waits for answers patiently. None where a queue that is there can be read.
        queues: The queues by what they are for.
    """

    def __init__(self, connect: Callable[[], Link] | None, queues: Queues) -> None:
        self._connect = connect
        self._queues = queues
        self._changing = threading.Lock()
        self._numbers = count()
        self._reader: Link | None = None
        self._tasks: list[_Task] = []
        self._running: dict[_Task, float] = {}
        self._found: list[Lane] = []
        self._later: dict[Lane, float] = {}
        self._troubles: dict[Lane, _Trouble] = {}
        self._error: BrokerError | None = None
        self._rest_until = 0.0

    def start_over(self, reader: Link) -> None:
        """Nothing is asked for any more, and nothing found; `reader` is woken from now on when something is."""
        with self._changing:
            self._reader = reader
            self._tasks.clear()
            self._found.clear()
            self._later.clear()
            self._error = None

    def want(self, models: Iterable[str]) -> None:
        """Find out which queues of these may be read; those that are not there are made."""
        self._ask(_LOOK, [tuple(Lane(model, lane) for lane in LANES) for model in models])

    def again(self, lane: Lane) -> None:
        """This one, which could be read, is silent or gone."""
        self._ask(_USUAL, [(lane,)])

    def _ask(self, urgency: int, each: Iterable[tuple[Lane, ...]]) -> None:
        """All at once, before any is begun: else the less urgent of the first would come before the looks at others."""
        with self._changing:
            for lanes in each:
                if self._connect is not None:
                    self._put(urgency, lanes)
                elif self._reader is not None:
                    for lane in lanes:
                        self._declare(self._reader, lane)
                    self._found += lanes
            if self._connect is not None:
                self._begin(self._connect)

    def forget(self, model: str) -> None:
        """Nobody asks for this model any more."""
        with self._changing:
            self._tasks = [task for task in self._tasks if task.lanes[0].model != model]
            heapq.heapify(self._tasks)
            self._found = [lane for lane in self._found if lane.model != model]
            self._later = {lane: until for lane, until in self._later.items() if lane.model != model}

    def found(self) -> Sequence[Lane]:
        """Those that may be read, and were not told before; what waited when they were looked at comes together.

        Raises:
            BrokerError: if the server does not let us try one, for other reasons than that it is in trouble.
        """
        with self._changing:
            if self._connect is not None:
                self._review(self._connect)
            error, self._error = self._error, None
            if error is not None:
                raise error
            found, self._found = self._found, []
            return found

    @property
    def left(self) -> int:
        """How many queues are to be looked at yet, without those in trouble."""
        with self._changing:
            return sum(len(task.lanes) for task in self._tasks) + self._young()

    # ── tasks ──

    def _put(self, urgency: int, lanes: tuple[Lane, ...]) -> None:
        heapq.heappush(self._tasks, _Task(urgency, next(self._numbers), lanes))

    def _review(self, connect: Callable[[], Link]) -> None:
        """Complain of trials that have no answer; try once more what was in trouble for long enough."""
        now = time.monotonic()
        for task, since in self._running.items():
            if now - since > PATIENCE:
                self._avoid(task.lanes, "no answer yet")
        for lane in [lane for lane, until in self._later.items() if until <= now]:
            del self._later[lane]
            self._put(_USUAL, (lane,))
        self._begin(connect)

    def _young(self) -> int:
        """How many tasks are under way, without those that hang."""
        now = time.monotonic()
        return sum(now - since <= PATIENCE for since in self._running.values())

    def _begin(self, connect: Callable[[], Link]) -> None:
        """As many threads as there may be. A trial lasts for as long as it takes: given up, it would be delivered a
        request as soon as there is a leader; so one that hangs does not count.
        """
        while (task := self._next()) is not None:
            threading.Thread(target=self._work, args=(connect, task), name="predictq-scout", daemon=True).start()

    def _next(self) -> _Task | None:
        if not self._tasks or time.monotonic() < self._rest_until:
            return None
        if self._young() >= (1 if self._tasks[0].urgency == _OTHER else _AT_ONCE):
            return None
        task = heapq.heappop(self._tasks)
        self._running[task] = time.monotonic()
        return task

    def _work(self, connect: Callable[[], Link], first: _Task) -> None:
        """One task after the other, on a link of our own."""
        link: Link | None = None
        task: _Task | None = first
        while task is not None:
            try:
                link = link or connect()
                found = self._look(link, task.lanes) if task.urgency == _LOOK else [self._try(link, task.lanes[0])]
            except BrokerError as error:
                following = self._failed(task, error, connected=link is not None)
                if link is not None:
                    link.close()
                link, task = None, following
            else:
                task = self._done(task, found)
        if link is not None:
            link.close()

    def _done(self, task: _Task, found: Sequence[Lane]) -> _Task | None:
        with self._changing:
            del self._running[task]
            self._found += found
            for lane in found:
                if self._troubles.pop(lane, None) is not None:
                    _logger.info("a queue can be read again", extra={"queue": self._name(lane)})
            for lane in task.lanes:
                if lane not in found:
                    self._put(_USUAL if lane.lane == Priority.NORMAL.value else _OTHER, (lane,))
            following = self._next()
        self._wake()
        return following

    def _failed(self, task: _Task, error: BrokerError, *, connected: bool) -> _Task | None:
        with self._changing:
            if not connected:  # that is no trouble of one queue, and would soon be one of all
                self._rest_until = time.monotonic() + _REST
            del self._running[task]
            if not isinstance(error, BrokerUnavailable):
                self._error = error
            self._avoid(task.lanes, str(error))
            for lane in task.lanes:
                self._later[lane] = self._troubles[lane].until
            following = self._next()
        self._wake()
        return following

    def _avoid(self, lanes: Sequence[Lane], why: str) -> None:
        for lane in lanes:
            trouble = self._troubles.get(lane)
            pause = _SHORTEST if trouble is None else min(trouble.pause * 2, _LONGEST)
            self._troubles[lane] = _Trouble(pause, time.monotonic() + pause)
            if trouble is None:
                about = {"queue": self._name(lane), "why": why}
                _logger.warning("a queue cannot be read now; others are", extra=about)

    def _wake(self) -> None:
        if self._reader is not None:
            self._reader.wake()

    # ── what a task does ──

    def _look(self, link: Link, lanes: Sequence[Lane]) -> list[Lane]:
        """Those in which something waits, or which somebody reads: no others need be tried."""
        counts = [link.count(self._name(lane)) for lane in lanes]
        return [lane for lane, found in zip(lanes, counts, strict=True) if found is not None and any(found)]

    def _try(self, link: Link, lane: Lane) -> Lane:
        queue = self._declare(link, lane)
        link.open(queue.name, 1)
        link.shut(queue.name)
        link.flush()
        for message in link.gather(0):  # it came in just this moment: back, and its attempts are none the more
            (fate,) = link.publish([returned_letter(queue, read_arrival(*lane, message))])
            if fate is Fate.STORED:
                link.ack([message.tag])
        return lane

    def _declare(self, link: Link, lane: Lane) -> Queue:
        queue = self._queues.requests(*lane)
        link.declare(self._queues.dead(lane.model))
        link.declare(queue)
        return queue

    def _name(self, lane: Lane) -> str:
        return self._queues.requests(*lane).name
