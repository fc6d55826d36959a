"""The broker as the outbox sees it: what it said to an offer is a value, and never an exception."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

from predictq.errors import Internal, InvalidInput, PredictqError, QueueFull, Refused
from predictq_broker import Broker, Inbox, Request, Verdict
from predictq_broker.errors import BrokerError, BrokerFull, BrokerRefused, InvalidName

__all__ = ["Denied", "Judged", "NoAnswer", "Offered", "Post"]

_log = logging.getLogger(__name__)


class Judged(NamedTuple):
    """The broker said of each request what became of it."""

    verdicts: Sequence[Verdict]


class NoAnswer(NamedTuple):
    """Nobody knows what became of them; to be offered again with the same ids."""

    reason: str


class Denied(NamedTuple):
    """None was stored, or none ever will be; offering them again at once is no use."""

    kind: type[PredictqError]
    reason: str
    retry_after: float = 0.0


Offered = Judged | NoAnswer | Denied


class Post:
    """Where requests are handed in."""

    def __init__(self, broker: Broker, inbox: Inbox) -> None:
        self._broker = broker
        self._inbox = inbox
        self._expected: set[str] = set()

    def offer(self, model: str, requests: Sequence[Request], *, answers: bool, first: bool) -> Offered:
        """Hand in requests for one model, for the `first` time or again; `answers`: some results come to us."""
        try:
            if answers and model not in self._expected:
                self._inbox.expect(model)
                self._expected.add(model)
            return Judged(self._broker.send(requests, first=first))
        except BrokerFull as error:
            return Denied(QueueFull, f"the broker has no room: {error}", retry_after=1.0)
        except BrokerRefused as error:
            return Denied(Refused, f"the broker refused: {error}")
        except InvalidName as error:
            return Denied(InvalidInput, str(error))
        except BrokerError as error:
            return NoAnswer(str(error) or type(error).__name__)
        except Exception as error:  # noqa: BLE001  whatever it is, callers must hear of it and the thread must live
            _log.exception("handing in %d requests for %r failed", len(requests), model)
            return Denied(Internal, f"the broker's client failed: {error!r}; please report it")

    def withdraw(self, model: str, ids: Sequence[str]) -> None:
        """Ask the broker to forget requests nobody waits for; if it does not hear, they run for nothing."""
        try:
            self._broker.cancel(model, ids)
        except Exception as error:  # noqa: BLE001  best effort: nobody waits for this
            _log.debug("withdrawing %d requests for %r failed: %s", len(ids), model, error)
