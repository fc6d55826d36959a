"""The parent's end of a runner: ask and be answered, by a deadline, or learn at once that the process is gone."""

import math
import select
import socket
import time
from collections.abc import Sequence
from typing import Final

from predictq_worker.runner.frames import Buffer, Frame, read_frame, write_buffers

__all__ = ["Channel"]


class Channel:
    """A socket and the process at its other end. Whichever tells first that it is over, is believed.

    A model may have started processes of its own that hold the socket open, so its end is not enough.
    """

    def __init__(self, connection: socket.socket, process: int) -> None:
        """Take over `connection`; `process` is the pidfd of the one who speaks there."""
        connection.settimeout(0)
        self._connection: Final = connection
        self._process: Final = process
        self._readable: Final = self._poll(select.POLLIN)
        self._writable: Final = self._poll(select.POLLOUT)
        self._deadline = math.inf

    def ask(self, buffers: Sequence[Buffer], deadline: float, most_parts: int, most_bytes: int) -> Frame:
        """Send one frame and receive the next.

        Raises:
            TimeoutError: if that takes longer than until `deadline`, on the monotonic clock.
            EOFError: if the process is gone, or has closed its end.
            BadFrame: if what comes is no frame within `most_parts` and `most_bytes`.
        """
        self.tell(buffers, deadline)
        return read_frame(self._receive, most_parts, most_bytes)

    def tell(self, buffers: Sequence[Buffer], deadline: float) -> None:
        """Send one frame; raises as `ask` does."""
        self._deadline = deadline
        write_buffers(self._send, buffers)

    def close(self) -> None:
        """Close this end. The process ends when it sees that."""
        self._connection.close()

    def _poll(self, event: int) -> select.poll:
        poll = select.poll()
        poll.register(self._connection, event)
        poll.register(self._process, select.POLLIN)
        return poll

    def _send(self, buffers: Sequence[Buffer]) -> int:
        try:
            return self._connection.sendmsg(buffers)
        except BlockingIOError:  # as a rule there is room
            self._wait(self._writable)
            return 0
        except ConnectionError:
            raise EOFError from None

    def _receive(self, view: memoryview) -> int:
        self._wait(self._readable)
        try:
            count = self._connection.recv_into(view)
        except BlockingIOError:
            return 0
        except ConnectionError:
            raise EOFError from None
        if not count:
            raise EOFError
        return count

    def _wait(self, poll: select.poll) -> None:
        """Until the socket is ready; what a process wrote before it ended is still read."""
        left = self._deadline - time.monotonic()
        ready = poll.poll(None if left == math.inf else max(0, math.ceil(left * 1000)))
        if not ready:
            raise TimeoutError
        if len(ready) == 1 and ready[0][0] == self._process:
            raise EOFError
