"""Reads the results that come for this client, and comes back after every fault of the broker."""

import logging
import threading
from collections.abc import Callable, Sequence

from predictq.backoff import Backoff
from predictq.call import Event
from predictq.pending import Pending
from predictq_broker import BrokerError, Inbox, Result

__all__ = ["InboxReader"]

_log = logging.getLogger(__name__)
_WAIT = 5.0


class InboxReader:
    """A thread that sleeps in the broker until results come, and tells the calls that wait for them."""

    def __init__(self, inbox: Inbox, pending: Pending, deliver: Callable[[list[Event]], None]) -> None:
        self._inbox = inbox
        self._pending = pending
        self._deliver = deliver
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="predictq-inbox", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def _run(self) -> None:
        backoff = Backoff()
        while not self._closed.is_set():
            results = self._read()
            if results is None:
                self._closed.wait(backoff.next())
                continue
            backoff.reset()
            if results:
                self._deliver(self._pending.answered(results))

    def _read(self) -> Sequence[Result] | None:
        """What has come; None if the broker could not be asked."""
        try:
            return self._inbox.receive(_WAIT)
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
        try:
            self._inbox.close()
        except Exception as error:  # noqa: BLE001  it expires by itself
            _log.debug("the inbox could not be removed: %s", error)
        if self._thread.ident is not None:
            self._thread.join(0.3)
