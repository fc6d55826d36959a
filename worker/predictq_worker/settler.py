"""Settles outcomes in batches, for as long as it takes: a broker that is away is waited for."""

import logging
import threading
from collections.abc import Sequence

from predictq_broker import BrokerError, Code, Consumer, Outcome
from predictq_broker.failpoints import reached
from predictq_worker.ledger import Ledger
from predictq_worker.metrics import Metrics
from predictq_worker.patience import Patience

__all__ = ["Settler"]

_logger = logging.getLogger(__name__)
_MOST = 1024


class Settler:
    """The last station of every request. Whatever became of it passes here, once."""

    def __init__(self, consumer: Consumer, ledger: Ledger, metrics: Metrics) -> None:
        self._consumer = consumer
        self._ledger = ledger
        self._metrics = metrics
        self._changed = threading.Condition()
        self._outcomes: list[Outcome] = []
        self._closing = False
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="settler", daemon=True)
        self.trouble = ""
        """Why answers do not get through; empty if they do."""

    def start(self) -> None:
        """Begin to settle."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still settles."""
        return self._thread.is_alive()

    def put(self, outcomes: Sequence[Outcome]) -> None:
        """Settle these soon. Never blocks: no more can come than the ledger let in."""
        with self._changed:
            self._outcomes.extend(outcomes)
            self._changed.notify()

    def close(self, timeout: float) -> None:
        """Settle what is there, for at most `timeout` seconds, and stop."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout)
        self._given_up.set()

    def _run(self) -> None:
        while outcomes := self._next():
            self._settle(outcomes)

    def _next(self) -> list[Outcome]:
        with self._changed:
            while not (self._outcomes or self._closing):
                self._changed.wait()
            taken, self._outcomes = self._outcomes[:_MOST], self._outcomes[_MOST:]
            return taken

    def _settle(self, outcomes: list[Outcome]) -> None:
        """Until the broker has taken them. To repeat is safe: what was settled is not settled twice."""
        patience = Patience(self._given_up)
        while not self._given_up.is_set():
            reached("before_settle")
            try:
                settled = self._settled(outcomes)
            except BrokerError as error:
                self.trouble = f"answers cannot be settled: {error}"
                _logger.warning("cannot settle yet", extra={"outcomes": len(outcomes), "why": str(error)})
                patience.wait()
                continue
            self.trouble = ""
            reached("after_settle")
            self._ledger.leave(outcome.delivery for outcome in outcomes)
            self._metrics.settled(settled, lost=len(outcomes) - len(settled))
            return

    def _settled(self, outcomes: list[Outcome]) -> list[Outcome]:
        buried = [outcome for outcome in outcomes if outcome.result.status is Code.DEAD_LETTERED]
        if not buried:
            return list(self._consumer.settle(outcomes))
        rest = [outcome for outcome in outcomes if outcome.result.status is not Code.DEAD_LETTERED]
        return [*self._consumer.bury(buried), *(self._consumer.settle(rest) if rest else [])]
