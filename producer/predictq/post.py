"""The broker as the outbox sees it: what it said to an offer is a value, and never an exception."""

import logging
from collections.abc import Iterable, Sequence
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

    def offer(self, batches: Sequence[Sequence[Request]], *, expecting: Iterable[str], first: bool) -> list[Offered]:
        """Hand in requests, for the `first` time or again: of each batch, which is for one model, what became of it.

        Args:
            batches: The requests.
            expecting: The models of which some results come to us.
            first: As in `Broker.send`.
        """
        try:
            unexpected = {model: error for model in expecting if (error := self._expect(model)) is not None}
            if unexpected:
                return [self._offer_one(batch, unexpected.get(batch[0].model), first=first) for batch in batches]
            return [_offered(told) for told in self._broker.send_each(batches, first=first)]
        except BrokerError as error:
            return [_offered(error)] * len(batches)
        except Exception as error:  # noqa: BLE001  whatever it is, callers must hear of it and the thread must live
            _log.exception("handing in requests for %d models failed", len(batches))
            return [Denied(Internal, f"the broker's client failed: {error!r}; please report it")] * len(batches)

    def _expect(self, model: str) -> BrokerError | None:
        """Have the inbox expect results from it; why it does not."""
        if model not in self._expected:
            try:
                self._inbox.expect(model)
            except BrokerError as error:
                return error
            self._expected.add(model)
        return None

    def _offer_one(self, batch: Sequence[Request], error: BrokerError | None, *, first: bool) -> Offered:
        """Apart from the others, of which the inbox expects no results: that is none of this one's trouble."""
        return _offered(self._broker.send_each([batch], first=first)[0] if error is None else error)

    def withdraw(self, model: str, ids: Sequence[str]) -> None:
        """Ask the broker to forget requests nobody waits for; if it does not hear, they run for nothing."""
        try:
            self._broker.cancel(model, ids)
        except Exception as error:  # noqa: BLE001  best effort: nobody waits for this
            _log.debug("withdrawing %d requests for %r failed: %s", len(ids), model, error)


def _offered(told: Sequence[Verdict] | BrokerError) -> Offered:
    match told:
        case BrokerFull():
            return Denied(QueueFull, f"the broker has no room: {told}", retry_after=1.0)
        case BrokerRefused():
            return Denied(Refused, f"the broker refused: {told}")
        case InvalidName():
            return Denied(InvalidInput, str(told))
        case BrokerError():
            return NoAnswer(str(told) or type(told).__name__)
        case _:
            return Judged(told)
