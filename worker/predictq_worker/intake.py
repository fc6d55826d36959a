"""Reads from the broker what the worker has room for, and sends each delivery on its way."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from itertools import repeat

from predictq_broker import BrokerError, Capacity, Code, Consumer, Delivery, Outcome
from predictq_broker.columns import made
from predictq_broker.failpoints import reached
from predictq_worker.ledger import Ledger
from predictq_worker.patience import Patience
from predictq_worker.turns import Turns
from predictq_worker.work import Work, failure

__all__ = ["Intake"]

_logger = logging.getLogger(__name__)
_PATIENT = 1.0
_IMPATIENT = 0.01


class Intake:
    """A thread that blocks in `receive`. Faulty, hopeless and late requests are answered here, at the door."""

    def __init__(  # noqa: PLR0913  everything it is connected to, in one visible place
        self,
        consumer: Consumer,
        ledger: Ledger,
        *,
        turns: Turns,
        route: Callable[[list[Work]], None],
        settle: Callable[[Sequence[Outcome]], None],
        max_losses: int,
        max_body_bytes: int,
    ) -> None:
        self._consumer = consumer
        self._ledger = ledger
        self._turns = turns
        self._route = route
        self._settle = settle
        self._max_losses = max_losses
        self._max_body_bytes = max_body_bytes
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
        self.trouble = "the broker does not answer yet"
        """Why the last read failed; empty if it did not."""

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still reads."""
        return self._thread.is_alive()

    def stop(self, timeout: float) -> None:
        """Read nothing more; returns when the last read is over, or hangs longer than `timeout` seconds."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        patience = Patience(self._stop)
        while not self._stop.is_set():
            try:
                deliveries = self._receive()
            except BrokerError as error:
                self.trouble = f"the broker does not answer: {error}"
                _logger.warning("cannot receive", extra={"why": str(error)})
                patience.wait()
                continue
            self.trouble = ""
            patience.reset()
            if deliveries:
                self._take_in(deliveries)

    def _receive(self) -> Sequence[Delivery]:
        models, patience = self._turns.next()
        wants: dict[str, Capacity] = self._ledger.room(models)
        # while anything is left out for want of room, look again soon
        all_wanted = len(wants) == len(models) and not self._ledger.suspects
        patience = min(patience, _PATIENT / 10 if not models else _PATIENT if all_wanted else _IMPATIENT)
        if not wants:
            self._ledger.wait_for_change(patience)
            return []
        return self._consumer.receive(wants, patience)

    def _take_in(self, deliveries: Sequence[Delivery]) -> None:
        self._ledger.enter(deliveries)
        reached("after_receive")
        now, most_losses, most_bytes = time.monotonic(), self._max_losses, self._max_body_bytes
        welcome = [
            delivery
            for delivery in deliveries
            if delivery.expires > now
            and delivery.attempt <= most_losses
            and len(delivery.request.body) <= most_bytes
            and delivery.fault is None
        ]
        if len(welcome) < len(deliveries):
            known = set(map(id, welcome))
            self._settle([self._refusal(delivery, now) for delivery in deliveries if id(delivery) not in known])
        if welcome:
            self._route(list(made(Work, welcome, repeat(0), repeat(""))))

    def _refusal(self, delivery: Delivery, now: float) -> Outcome:
        if delivery.fault is not None:
            return _faulty(delivery)
        if delivery.expires <= now:
            sentence = f"its deadline passed after {delivery.queued:.3f} s in the queue; allow more time or add workers"
            return failure(delivery, Code.DEADLINE_EXCEEDED, sentence)
        if delivery.attempt > self._max_losses:
            lost = delivery.attempt - 1
            return failure(delivery, Code.DEAD_LETTERED, f"set aside after {lost} workers died or vanished holding it")
        size = len(delivery.request.body)
        sentence = f"the body has {size} bytes, more than the {self._max_body_bytes} allowed: send it in parts"
        return failure(delivery, Code.TOO_LARGE, sentence)


def _faulty(delivery: Delivery) -> Outcome:
    """Answered if we can tell whom; set aside for an operator if not."""
    request, fault = delivery.request, delivery.fault
    if fault is not None and request.id and request.reply_to:
        return failure(delivery, fault.code, fault.message)
    message = fault.message if fault is not None else "not a request"
    return failure(delivery, Code.DEAD_LETTERED, f"nobody to answer: {message}")
