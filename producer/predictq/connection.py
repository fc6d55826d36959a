"""Opens the exchange of a client when it is first needed, and anew in a process that was forked since."""

import os
import threading
from collections.abc import Callable

from predictq.call import Event
from predictq.errors import Cancelled, PredictqError, Refused, Unavailable
from predictq.exchange import Exchange
from predictq.settings import Settings, broker_url
from predictq_broker import Broker, BrokerError, BrokerRefused, connect

__all__ = ["Connection"]


class Connection:
    """A broker and the exchange on it. A broker that was given is not closed; one made from a URL is."""

    def __init__(self, url: str | None, settings: Settings | None, broker: Broker | None) -> None:
        self.settings = settings or Settings()
        self._url = broker_url(url)
        self._given = broker
        self._broker = broker or connect(self._url)
        self._exchange: Exchange | None = None
        self._parents: list[tuple[Broker, Exchange | None]] = []
        self._process = os.getpid()
        self._opening = threading.Lock()
        self._closed = False

    def exchange(self, deliver: Callable[[list[Event]], None]) -> Exchange:
        """The exchange, opened now if it is not open.

        Raises:
            Cancelled: if the client is closed.
            Unavailable: if the broker cannot be reached even to open an inbox.
        """
        return self.opened or self._open(deliver)

    @property
    def opened(self) -> Exchange | None:
        """The exchange if it is open, so that nobody need wait for it."""
        return self._exchange if self._process == os.getpid() else None

    def _open(self, deliver: Callable[[list[Event]], None]) -> Exchange:
        if self._process != os.getpid():
            self._leave_to_parent()
        with self._opening:
            if self._closed:
                raise Cancelled("the client is closed: make a new one")
            if self._exchange is None:
                self._exchange = _opened(self._broker, self.settings, deliver)
            return self._exchange

    def _leave_to_parent(self) -> None:
        """The parent's connections are the parent's: never touched here, not even closed by the collector."""
        if self._given is not None:
            raise PredictqError(
                "the broker given to this client belongs to the process that forked this one: make both anew"
            )
        self._parents.append((self._broker, self._exchange))
        self._broker, self._exchange = connect(self._url), None
        self._opening = threading.Lock()
        self._process = os.getpid()

    def close(self) -> None:
        """Close the exchange and the broker we made. May be called twice."""
        with self._opening:
            if self._closed or self._process != os.getpid():
                return
            self._closed = True
            exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.close()
        if self._given is None:
            self._broker.close()


def _opened(broker: Broker, settings: Settings, deliver: Callable[[list[Event]], None]) -> Exchange:
    try:
        return Exchange(broker, settings, deliver)
    except BrokerRefused as error:
        raise Refused(f"the broker refused to open an inbox: {error}") from error
    except BrokerError as error:
        raise Unavailable(f"the broker cannot be reached to open an inbox: {error}", retry_after=1.0) from error
