"""Wakes a thread that sleeps until a socket can be read, when another thread has read what it waits for."""

import os
import select
import weakref
from contextlib import suppress

__all__ = ["Bell"]


class Bell:
    """One thread sleeps, any other may ring: else who comes second to the socket finds it empty and sleeps on."""

    def __init__(self) -> None:
        self._file = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        weakref.finalize(self, os.close, self._file)  # not before: a thread may wait for it
        self._awaited = False

    def expect(self) -> None:
        """What the caller waits for has not come; said under the lock under which it may come."""
        self._awaited = True

    def sleep(self, socket: int, wait: float) -> None:
        """Until the socket can be read, it rings, or so many seconds are over."""
        ready = select.poll()
        ready.register(socket, select.POLLIN)
        ready.register(self._file, select.POLLIN)
        ready.poll(max(wait, 0.0) * 1000)
        self._awaited = False
        with suppress(BlockingIOError):
            os.eventfd_read(self._file)

    def came(self) -> None:
        """It is there: ring if somebody waits for it."""
        if self._awaited:
            self._awaited = False
            self.ring()

    def ring(self) -> None:
        """Wake who sleeps, or who is about to."""
        os.eventfd_write(self._file, 1)
