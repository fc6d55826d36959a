"""Tries a queue out before it is read on a link that holds requests: what breaks here breaks nothing else.

A quorum queue without a leader (being made, or just recovering from a crash) says that it is empty and read by nobody.
Whoever then reads it has the whole connection closed (541 INTERNAL_ERROR), or gets no answer before there is a leader.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from predictq_broker.errors import BrokerError, BrokerUnavailable
from predictq_broker.kombu.fields import read_arrival, returned_letter
from predictq_broker.kombu.link import Fate, Link
from predictq_broker.kombu.queues import Queue, Queues

__all__ = ["Scout"]

_logger = logging.getLogger(__name__)
_PATIENCE: Final = 3.0
"""Seconds for which the caller waits for a trial that has just begun."""
_SHORTEST: Final = 0.1
_LONGEST: Final = 10.0
"""Seconds between two trials of a queue in trouble: twice as long each time."""


class _Trouble(NamedTuple):
    pause: float
    until: float


class _Trial(threading.Thread):
    """One attempt, for as long as it takes: given up, it would be delivered a request as soon as there is a leader."""

    def __init__(self, attempt: Callable[[], Link]) -> None:
        super().__init__(name="predictq-scout", daemon=True)
        self._attempt = attempt
        self.link: Link | None = None
        self.error: BrokerError | None = None
        self.start()

    def run(self) -> None:
        try:
            self.link = self._attempt()
        except BrokerError as error:
            self.error = error


class Scout:
    """Which queues of requests may be read. Its methods are not to be called by several threads at once.

    Args:
        connect: Opens a link that waits for answers patiently. None where a queue that is there can be read.
        queues: The queues by what they are for.
    """

    def __init__(self, connect: Callable[[], Link] | None, queues: Queues) -> None:
        self._connect = connect
        self._queues = queues
        self._spare: Link | None = None
        self._trials: dict[str, _Trial] = {}
        self._troubles: dict[str, _Trouble] = {}

    def ready(self, link: Link, model: str, lane: str) -> bool:
        """Whether `link` can read this queue, which is made if it is not there.

        One in trouble is left alone for some time, which is logged once. May raise `BrokerError` for other reasons.
        """
        if self._connect is None:
            self._declare(link, model, lane)
            return True
        name = self._queues.requests(model, lane).name
        trial = self._trials.get(name)
        if trial is None:
            trouble = self._troubles.get(name)
            if trouble is not None and time.monotonic() < trouble.until:
                return False
            count = link.count(name)
            if count is not None and any(count):
                self._well(name)
                return True
            trial = self._trials[name] = self._begin(self._connect, model, lane)
            trial.join(_PATIENCE)
        return self._judge(name, trial)

    def _begin(self, connect: Callable[[], Link], model: str, lane: str) -> _Trial:
        spare, self._spare = self._spare, None
        return _Trial(lambda: self._try(spare or connect(), model, lane))

    def _judge(self, name: str, trial: _Trial) -> bool:
        if trial.is_alive():
            self._avoid(name, "no answer yet")
            return False
        del self._trials[name]
        if isinstance(trial.error, BrokerUnavailable):
            self._avoid(name, str(trial.error))
            return False
        if trial.error is not None:
            raise trial.error
        self.rest()
        self._spare = trial.link
        self._well(name)
        return True

    def _avoid(self, name: str, why: str) -> None:
        trouble = self._troubles.get(name)
        pause = _SHORTEST if trouble is None else min(trouble.pause * 2, _LONGEST)
        self._troubles[name] = _Trouble(pause, time.monotonic() + pause)
        if trouble is None:
            _logger.warning("a queue cannot be read now; others are", extra={"queue": name, "why": why})

    def _well(self, name: str) -> None:
        if self._troubles.pop(name, None) is not None:
            _logger.info("a queue can be read again", extra={"queue": name})

    def _try(self, link: Link, model: str, lane: str) -> Link:
        try:
            queue = self._declare(link, model, lane)
            link.open(queue.name, 1)
            link.shut(queue.name)
            link.flush()
            for message in link.gather(0):  # it came in just this moment: back, and its attempts are none the more
                (fate,) = link.publish([returned_letter(queue, read_arrival(model, lane, message))])
                if fate is Fate.STORED:
                    link.ack([message.tag])
        except BrokerError:
            link.close()
            raise
        return link

    def _declare(self, link: Link, model: str, lane: str) -> Queue:
        queue = self._queues.requests(model, lane)
        link.declare(self._queues.dead(model))
        link.declare(queue)
        return queue

    def rest(self) -> None:
        """Close the link that is kept for the next trial."""
        if self._spare is not None:
            self._spare.close()
            self._spare = None
