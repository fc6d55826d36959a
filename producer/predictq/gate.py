"""Lets tasks in to the waiting line as it empties, first come, first served."""

import asyncio
import time
from collections import deque

from predictq.call import Call
from predictq.complaints import no_room
from predictq.waiting_line import WaitingLine

__all__ = ["Gate"]


class Gate:
    """Belongs to one event loop. Nobody waits unless the line is full, so passing costs next to nothing."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    def passes(self, line: WaitingLine, about_to_join: int) -> int:
        """How many tasks may pass at once; `about_to_join` have passed and are not in the line yet."""
        return 0 if self._waiting or line.is_full else line.limit - about_to_join

    async def pass_through(self, line: WaitingLine, call: Call) -> None:
        """Wait for this task's turn; raises `QueueFull` if it does not come in time."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        if len(self._waiting) == 1:
            self._look_out(line, loop)
        try:
            async with asyncio.timeout(min(call.give_up, call.expires) - time.monotonic()):
                await turn
        except TimeoutError:
            raise no_room(call) from None

    def _look_out(self, line: WaitingLine, loop: asyncio.AbstractEventLoop) -> None:
        line.when_room(lambda: loop.call_soon_threadsafe(self._let_in, line, loop))

    def _let_in(self, line: WaitingLine, loop: asyncio.AbstractEventLoop) -> None:
        room = line.room
        while self._waiting and room > 0:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                room -= 1
        if self._waiting:
            self._look_out(line, loop)
