"""One forked process as its parent holds it: a pidfd, a lifeline, a channel; and its end, which is always the same."""

import contextlib
import os
import select
import signal
import socket
import threading
from typing import Final, Self

from predictq_worker.runner.channel import Channel
from predictq_worker.runner.errors import RunnerDied
from predictq_worker.runner.linux import kill_group
from predictq_worker.runner.messages import OUT_OF_MEMORY
from predictq_worker.runner.nursery_handle import Birth, Nursery

__all__ = ["ChildProcess"]

_ON_THE_WAY: Final = 1 << 20
"""Bytes between the two processes."""

_UNTIL_GONE: Final = 5.0
"""Seconds a killed process may take to end; longer only if the kernel holds it."""


class ChildProcess:
    """A process that ends when this is closed, or when this process ends.

    It stays a zombie until `bury`, so its pid is nobody else's as long as we may signal it.

    Attributes:
        pid: The process.
        channel: Where it listens.
    """

    def __init__(self, nursery: Nursery, birth: Birth, lifeline: int, connection: socket.socket) -> None:
        """Take over a process that was just forked, the write end of its lifeline, and our end of its socket."""
        self._process: Final = os.pidfd_open(birth.pid)
        self.pid: Final = birth.pid
        self.channel: Final = Channel(connection, self._process)
        self._nursery: Final = nursery
        self._birth: Final = birth
        self._lifeline: Final = lifeline
        self._lock: Final = threading.Lock()
        self._buried = False

    @classmethod
    def fork(cls, nursery: Nursery) -> Self:
        """A new process out of `nursery`.

        Raises:
            RunnerDied: if there is none to be had.
        """
        with contextlib.ExitStack() as ours:
            try:
                with contextlib.ExitStack() as theirs:
                    read_end, write_end = os.pipe()
                    theirs.callback(os.close, read_end)
                    ours.callback(os.close, write_end)
                    connection, other_end = _roomy(socket.socketpair())
                    theirs.enter_context(other_end)
                    ours.enter_context(connection)
                    birth = nursery.fork(other_end.fileno(), read_end)
                child = cls(nursery, birth, write_end, connection)
            except OSError as error:
                raise RunnerDied(f"no runner could be started: {error}") from error
            ours.pop_all()
            return child

    def is_gone(self, within: float) -> bool:
        """Whether it ends within that many seconds. Only the one who also buries may wait."""
        if self._buried:
            return True
        poll = select.poll()
        poll.register(self._process, select.POLLIN)
        return bool(poll.poll(within * 1000))

    def kill(self) -> None:
        """Kill it and whatever its model started. From any thread."""
        with self._lock:
            if not self._buried:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._process, signal.SIGKILL)
                kill_group(self.pid)

    def bury(self) -> str:
        """Kill it if it lives, take its pages back, close everything. Returns how it ended."""
        self.kill()
        self.is_gone(_UNTIL_GONE)
        status = self._nursery.reap(self._birth)
        with self._lock:
            self._buried = True
            self.channel.close()
            os.close(self._lifeline)
            os.close(self._process)
        return _how(status)


def _roomy(pair: tuple[socket.socket, socket.socket]) -> tuple[socket.socket, socket.socket]:
    """A batch of a few hundred kilobytes then goes at once, where the kernel allows it."""
    for end in pair:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ON_THE_WAY)
    return pair


def _how(status: int | None) -> str:
    if status is None:
        return "ended; how is not known, since the nursery it came from had ended before"
    code = os.waitstatus_to_exitcode(status)
    if code == OUT_OF_MEMORY:
        return "needs more memory than a runner may have (PREDICTQ_RUNNER_MEMORY)"
    return f"killed by signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"exited with {code}"
