"""Settles outcomes in batches, for as long as it takes: a broker that is away is waited for."""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Sequence

from predictq_broker import BrokerError, BrokerRefused, Code, Consumer, Outcome
from predictq_broker.failpoints import reached
from predictq_worker.ledger import Ledger
from predictq_worker.metrics import Metrics
from predictq_worker.patience import Patience

__all__ = ["Settler"]

_logger = logging.getLogger(__name__)
_MOST = 1024
_FEW = 4


class Settler:
    """The last station of every request. Whatever became of it passes here, once."""

    def __init__(self, consumer: Consumer, ledger: Ledger, metrics: Metrics) -> None:
        self._consumer = consumer
        self._ledger = ledger
        self._metrics = metrics
        self._changed = threading.Condition()
        self._settling = threading.Lock()
        self._outcomes: list[Outcome] = []
        self._closing = False
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="settler", daemon=True)
        self._troubles: dict[str, str] = {}

    def start(self) -> None:
        """Begin to settle."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still settles."""
        return self._thread.is_alive()

    @property
    def trouble(self) -> str:
        """Why the answers of a model do not get through; empty if all do."""
        why = next(iter(self._troubles.values()), "")
        return f"answers cannot be settled: {why}" if why else ""

    def put(self, outcomes: Sequence[Outcome]) -> None:
        """Settle these soon. Never blocks: no more can come than the ledger let in."""
        with self._changed:
            self._outcomes.extend(outcomes)
            self._changed.notify()

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """As `put`; but a few, if they are all that this worker holds, are settled by the calling thread.

        A lone request is answered sooner so. It blocks until the broker answers or fails; then ours goes on.
        """
        lone = len(outcomes) == len(self._ledger) <= _FEW
        if not (lone and self._settling.acquire(blocking=False)):
            self.put(outcomes)
            return
        rest = list(outcomes)
        try:
            rest = self._settle(rest)
        except Exception:  # a defect of ours: the thread, which is watched, is to meet it
            _logger.exception("settling went wrong")
        finally:
            if rest:
                self.put(rest)
            self._settling.release()

    def close(self, timeout: float) -> None:
        """Settle what is there, for at most `timeout` seconds, and stop."""
        deadline = time.monotonic() + timeout
        if self._settling.acquire(timeout=timeout):  # what another thread cannot settle comes to ours
            self._settling.release()
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(max(deadline - time.monotonic(), 0.0))
        self._given_up.set()

    def _run(self) -> None:
        patience = Patience(self._given_up)
        while not self._given_up.is_set() and (outcomes := self._next()):
            with self._settling:
                rest = self._settle(outcomes)
            if rest:
                self._put_back(rest)
                patience.wait()
            else:
                patience.reset()

    def _next(self) -> list[Outcome]:
        with self._changed:
            while not (self._outcomes or self._closing):
                self._changed.wait()
            taken, self._outcomes = self._outcomes[:_MOST], self._outcomes[_MOST:]
            return taken

    def _put_back(self, outcomes: list[Outcome]) -> None:
        """Behind the others: a model whose answers are refused holds up no other."""
        with self._changed:
            self._outcomes.extend(outcomes)

    def _settle(self, outcomes: list[Outcome]) -> list[Outcome]:
        """Have the broker take them; returns those it did not. To repeat is safe: what is settled is not settled twice.

        All in one call; after trouble one call a model, to see which is in trouble.
        """
        rest: list[Outcome] = []
        away: BrokerError | None = None  # then it need not be asked about the other models too
        for part in _by_model(outcomes) if self._troubles else [outcomes]:
            error = away or self._try(part)
            if error is not None:
                rest += part
                away = None if isinstance(error, BrokerRefused) else error
        return rest

    def _try(self, outcomes: list[Outcome]) -> BrokerError | None:
        """Settle these in one call; returns what went wrong, if anything did."""
        reached("before_settle")
        try:
            settled = self._settled(outcomes)
        except BrokerError as error:
            self._troubles = {**self._troubles, **dict.fromkeys(_models(outcomes), str(error))}  # others read it
            _logger.warning("cannot settle yet", extra={"outcomes": len(outcomes), "why": str(error)})
            return error
        reached("after_settle")
        if self._troubles:
            healed = _models(outcomes)
            self._troubles = {model: why for model, why in self._troubles.items() if model not in healed}
        self._ledger.leave(outcome.delivery for outcome in outcomes)
        self._metrics.settled(settled, lost=len(outcomes) - len(settled))
        return None

    def _settled(self, outcomes: list[Outcome]) -> list[Outcome]:
        buried = [outcome for outcome in outcomes if outcome.result.status is Code.DEAD_LETTERED]
        if not buried:
            return list(self._consumer.settle(outcomes))
        rest = [outcome for outcome in outcomes if outcome.result.status is not Code.DEAD_LETTERED]
        return [*self._consumer.bury(buried), *(self._consumer.settle(rest) if rest else [])]


def _models(outcomes: list[Outcome]) -> set[str]:
    return {outcome.delivery.request.model for outcome in outcomes}


def _by_model(outcomes: list[Outcome]) -> list[list[Outcome]]:
    parts: defaultdict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        parts[outcome.delivery.request.model].append(outcome)
    return list(parts.values())
