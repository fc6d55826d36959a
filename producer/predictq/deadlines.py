"""Ends calls whose deadline passes, whatever the broker does meanwhile."""

import threading
import time
from collections.abc import Callable, Sequence

from predictq.call import Call
from predictq.pending import Pending

__all__ = ["Deadlines"]


class Deadlines:
    """A thread that sleeps until the next deadline. It starts with the first call that has one."""

    def __init__(self, pending: Pending, expired: Callable[[Sequence[Call]], None]) -> None:
        self._pending = pending
        self._expired = expired
        self._changed = threading.Condition(threading.Lock())
        self._sleeps_until = float("inf")
        self._thread: threading.Thread | None = None
        self._closed = False

    def look(self) -> None:
        """To be called when calls were added: the next deadline may be nearer than it was."""
        if self._pending.next_deadline >= self._sleeps_until:
            return
        with self._changed:
            self._sleeps_until = self._pending.next_deadline
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="predictq-deadlines", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while self._sleep():
            overdue = self._pending.overdue(time.monotonic())
            if overdue:
                self._expired(overdue)

    def _sleep(self) -> bool:
        """Until the next deadline; False when closed."""
        with self._changed:
            while not self._closed:
                self._sleeps_until = float("inf")  # who adds a call while we look must wait until we sleep
                self._sleeps_until = self._pending.next_deadline
                left = self._sleeps_until - time.monotonic()
                if left <= 0:
                    return True
                self._changed.wait(min(left, threading.TIMEOUT_MAX))
        return False

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(0.2)
