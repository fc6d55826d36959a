"""Between the callers of one process and one broker: requests out, answers in. Both clients stand on it."""

import threading
from collections.abc import Callable, Sequence

from predictq import complaints
from predictq.asking import Questions
from predictq.call import Call, Event
from predictq.deadlines import Deadlines
from predictq.inbox import InboxReader
from predictq.outbox import Outbox
from predictq.pending import Pending
from predictq.post import Post
from predictq.settings import Settings
from predictq_broker import Broker

__all__ = ["Exchange"]


class Exchange:
    """Calls go in by `ask`; what becomes of them comes out through `deliver`, in batches.

        ask ──▶ waiting line ──▶ outbox thread ──▶ broker.send
                                                        ┊
        deliver ◀── pending ◀── inbox thread ◀── inbox.receive

    A caller that may wait long does what these threads do, where it finds nobody else at it: `send_now`, `read_for`.
    `deliver` is called from any thread, this one's caller included.
    """

    def __init__(self, broker: Broker, settings: Settings, deliver: Callable[[list[Event]], None]) -> None:
        inbox = broker.inbox()
        self.reply_to = inbox.name
        self._deliver = deliver
        self._pending = Pending()
        self._outbox = Outbox(Post(broker, inbox), self._pending, settings, deliver)
        self._inbox = InboxReader(inbox, self._pending, deliver)
        self._deadlines = Deadlines(self._pending, self._expired)
        self._closing = threading.Lock()
        self._closed = False
        self.line = self._outbox.line
        self.questions = Questions(settings, inbox.name)
        self._outbox.start()
        self._inbox.start()

    def ask(self, calls: Sequence[Call], *, send_now: bool = False) -> None:
        """Send these calls; each will be told its end. With `send_now` this thread may do the sending."""
        self._tell(self._pending.add(calls))
        self._deadlines.look()
        if not calls[0].reads:
            self._inbox.wake()
        if not self.line.put(calls, wake=not send_now):
            self._tell(self._pending.failed(calls, complaints.closed))
        elif send_now:
            self._outbox.send_now()

    def read_for(self, call: Call, until: float) -> None:
        """Read in the calling thread until `call` has its answer, if nobody else reads; returns at `until` at last.

        To be called for each call that `reads`, or nobody might read for it.
        """
        self._inbox.read_for(call, until)

    def _tell(self, events: list[Event]) -> None:
        if events:
            self._deliver(events)

    def abandon(self, call: Call) -> bool:
        """Its caller wants no answer any more; returns False if it had ended before. Harms no other call."""
        withdraw = self._pending.abandon(call)
        if withdraw:
            self.line.withdraw([call])
        return withdraw is not None

    def _expired(self, calls: Sequence[Call]) -> None:
        self._tell(self._pending.failed(calls, complaints.late))
        unwanted = [call for call in calls if call.sent and not self._pending.is_wanted(call.id)]
        if unwanted:
            self.line.withdraw(unwanted)

    def close(self) -> None:
        """End every call with `Cancelled`, and the threads; takes less than a second. May be called twice."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        ended = self._pending.close()
        self.line.withdraw([call for call, _ in ended if call.sent])
        self._deadlines.close()
        self._tell(ended)
        self._tell(self._pending.failed(self._outbox.close(), complaints.closed))
        self._inbox.close()
