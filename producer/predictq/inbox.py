"""Reads the results that come for this client, and comes back after every fault of the broker."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from predictq.backoff import Backoff
from predictq.call import Call, Event
from predictq.pending import Pending
from predictq_broker import BrokerError, Inbox, Result

__all__ = ["InboxReader"]

_log = logging.getLogger(__name__)
_WAIT = 5.0


class InboxReader:
    """A thread that sleeps in the broker until results come, and tells the calls that wait for them.

    A caller that waits while nobody reads may do so itself, which spares its answer the way through another thread.
    It tells nobody but itself: a signal may end it at any moment. What it reads for others it leaves to the thread,
    and the reading with it. Once callers read, the thread does so only while there is an answer that nobody else
    reads, and now and then as a sign of life.
    """

    def __init__(self, inbox: Inbox, pending: Pending, deliver: Callable[[list[Event]], None]) -> None:
        self._inbox = inbox
        self._pending = pending
        self._deliver = deliver
        self._turn = threading.Lock()  # whoever holds it reads
        self._callers_read = False
        self._left: deque[Sequence[Result]] = deque()
        self._needed = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="predictq-inbox", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def wake(self) -> None:
        """Have the thread read what is on its way, unless somebody does."""
        if self._callers_read:
            self._needed.set()

    def read_for(self, call: Call, until: float) -> None:
        """Read in the calling thread until `call` has its answer, unless somebody reads already.

        It stops when there is more to do than that, and at `until`, on the monotonic clock; then the thread goes on.
        """
        if call.chosen or not self._inbox.repeats:  # others may have asked under the same id
            self.wake()
            return
        self._callers_read = True
        if not self._turn.acquire(blocking=False):
            return  # whoever reads looks at what is left when it stops
        try:
            while call.is_accepted and self._read_answer(call, until - time.monotonic()):
                pass
        except BaseException:  # a signal: what was read for others must not be lost
            self._inbox.repeat()
            raise
        finally:
            self._stop_reading()

    def _read_answer(self, call: Call, left: float) -> bool:
        """Read once, in a caller's thread; returns whether it may go on."""
        results = self._read(min(left, _WAIT)) if left > 0 else None
        if results is None:
            return False
        if any(result.id != call.id for result in results):
            self._left.append(results)
            return False
        self._tell(results)
        return not self._closed.is_set()

    def _stop_reading(self) -> None:
        self._turn.release()
        if self._pending or self._left:
            self._needed.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            if self._turn.acquire(blocking=False):
                try:
                    self._read_on()
                finally:
                    self._stop_reading()
            else:
                self._tell_what_is_left()
            self._needed.wait(_WAIT)
            self._needed.clear()

    def _read_on(self) -> None:
        """Read until callers can do without us."""
        backoff = Backoff()
        self._tell_what_is_left()
        while not self._closed.is_set():
            results = self._read(0.0 if self._may_rest else _WAIT)
            if results is None:
                self._closed.wait(backoff.next())
                continue
            backoff.reset()
            self._tell(results)
            if self._may_rest:
                return

    def _tell_what_is_left(self) -> None:
        while self._left:
            self._tell(self._left.popleft())

    @property
    def _may_rest(self) -> bool:
        return self._callers_read and not self._pending

    def _tell(self, results: Sequence[Result]) -> None:
        if results:
            self._deliver(self._pending.answered(results))

    def _read(self, wait: float) -> Sequence[Result] | None:
        """What has come; None if the broker could not be asked."""
        try:
            return self._inbox.receive(wait)
        except BrokerError as error:
            if not self._closed.is_set():
                _log.warning("results cannot be read, trying again: %s", error)
        except Exception:  # noqa: BLE001  the thread must live: every caller waits for it
            if not self._closed.is_set():
                _log.exception("reading results failed, trying again")
        return None

    def close(self) -> None:
        """Stop reading and remove the inbox."""
        self._closed.set()
        self._needed.set()
        try:
            self._inbox.close()
        except Exception as error:  # noqa: BLE001  it expires by itself
            _log.debug("the inbox could not be removed: %s", error)
        if self._thread.ident is not None:
            self._thread.join(0.3)
