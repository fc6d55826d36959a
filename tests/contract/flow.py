"""Requests that flow without end through one broker, and an account of what became of each."""

import threading
from collections import Counter
from collections.abc import Sequence
from typing import Self

from contract.making import answer, ask, eventually, let_pass

from predictq_broker import BrokerUnavailable, Capacity, Verdict, connect
from predictq_broker.port import Consumer, Inbox

__all__ = ["Flow"]

_TAKEN = (Verdict.ACCEPTED, Verdict.DUPLICATE)


class Flow:
    """One that asks, one that answers and one that reads, each again after every failure that may pass.

    Args:
        url: Of the broker.
        models: Whose requests flow, in turn.
        again: Whether a request of which it is unknown if it was accepted is sent again, until it is known.
    """

    def __init__(self, url: str, models: Sequence[str] = ("iris",), *, again: bool = True) -> None:
        self.url = url
        self.accepted: set[str] = set()
        self.unknown: set[str] = set()
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._models = models
        self._again = again
        self._asking = threading.Event()
        self._going = threading.Event()
        self._threads = [threading.Thread(target=run) for run in (self._ask, self._answer, self._read)]
        self._broker = connect(url)
        self._inbox: Inbox = self._broker.inbox()
        for model in models:
            self._inbox.expect(model)

    def _ask(self) -> None:
        with connect(self.url) as broker:
            number = 0
            while self._asking.is_set():
                model = self._models[number % len(self._models)]
                request = ask(f"r{number}", model=model, reply_to=self._inbox.name)
                number += 1
                while not self._sent(broker.send, request) and self._again and self._going.is_set():
                    let_pass(0.05)

    def _sent(self, send: object, request: object) -> bool:
        name: str = request.id  # type: ignore[attr-defined]  # a Request
        try:
            (verdict,) = send([request])  # type: ignore[operator]  # of a broker
        except BrokerUnavailable as error:
            self.failures.append(f"send: {error}")
            self.unknown.add(name)
            return False
        assert verdict in _TAKEN, verdict
        self.unknown.discard(name)
        self.accepted.add(name)
        return True

    def _answer(self) -> None:
        with connect(self.url) as broker:
            consumer = broker.consumer("worker", lease=60.0)
            while self._going.is_set():
                self._work(consumer)
            consumer.close()

    def _work(self, consumer: Consumer) -> None:
        try:
            deliveries = consumer.receive(dict.fromkeys(self._models, Capacity(100)), 0.2)
            self._settle(consumer, [answer(delivery) for delivery in deliveries])
        except BrokerUnavailable as error:
            self.failures.append(f"work: {error}")
            let_pass(0.05)

    def _settle(self, consumer: Consumer, outcomes: Sequence[object]) -> None:
        while outcomes and self._going.is_set():
            try:
                consumer.settle(outcomes)  # type: ignore[arg-type]  # Outcomes
            except BrokerUnavailable as error:
                self.failures.append(f"settle: {error}")
                let_pass(0.05)
            else:
                return

    def _read(self) -> None:
        while self._going.is_set():
            try:
                self.answers.update(result.id for result in self._inbox.receive(0.2))
            except BrokerUnavailable as error:
                self.failures.append(f"read: {error}")
                let_pass(0.05)

    def at_least(self, more: int, timeout: float = 60.0) -> None:
        """Let so many more be answered."""
        wanted = len(self.answers) + more
        eventually(lambda: len(self.answers) >= wanted, timeout)

    def ebb(self, timeout: float = 30.0) -> set[str]:
        """Ask no more, and wait for the answers; the accepted that were never answered."""
        self._asking.clear()
        self._threads[0].join(timeout)
        for _ in range(round(timeout / 0.05)):
            if not self.accepted - self.answers.keys():
                break
            let_pass(0.05)
        return self.accepted - self.answers.keys()

    def __enter__(self) -> Self:
        self._asking.set()
        self._going.set()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._asking.clear()
        self._going.clear()
        for thread in self._threads:
            thread.join(30)
        self._inbox.close()
        self._broker.close()
