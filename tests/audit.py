"""Asks over the bare port and keeps the books: who was accepted, who was answered, how often, and how well."""

import threading
from collections import Counter
from typing import Self

from deadly import POISON
from models import Iris
from workers import eventually

from predictq_broker import Broker, BrokerError, Code, Request, Result, connect, new_id

__all__ = ["Audit"]


class Audit:
    """One requester that never drops a repeated answer, as a client would, but counts it."""

    def __init__(self, broker_url: str, trained: Iris) -> None:
        self._broker: Broker = connect(broker_url)
        self._inbox = self._broker.inbox()
        self._inbox.expect("iris")
        self._trained = trained
        self._stop = threading.Event()
        self._rows: dict[str, int] = {}
        self.results: Counter[str] = Counter()
        self.codes: Counter[Code] = Counter()
        self.wrong: list[Result] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._reader.join(20)
        self._inbox.close()
        self._broker.close()

    def ask(self, count: int) -> None:
        """Have `count` more single-row requests accepted; a broker that is away is asked again, with the same ids."""
        rows = [n % 150 for n in range(count)]
        requests = [self._request(row) for row in rows]
        self._rows |= {request.id: row for request, row in zip(requests, rows, strict=True)}
        eventually(lambda: self._sent(requests), "the requests are accepted", timeout=60)

    def ask_poison(self) -> str:
        """Have one request accepted whose row is `deadly.POISON`; returns its id."""
        request = self._request(0)._replace(body=repr([POISON]).encode())
        self._rows[request.id] = 0
        eventually(lambda: self._sent([request]), "the poison is accepted")
        return request.id

    def _request(self, row: int) -> Request:
        body = repr([self._trained.rows[row].tolist()]).encode()
        return Request("iris", body, id=new_id(), reply_to=self._inbox.name)

    def _sent(self, requests: list[Request]) -> bool:
        try:
            verdicts = self._broker.send(requests)
        except BrokerError:
            return False
        return all(verdict in ("accepted", "duplicate") for verdict in verdicts)

    def _read(self) -> None:
        while not self._stop.is_set():
            try:
                results = self._inbox.receive(0.5)
            except BrokerError:
                self._stop.wait(0.1)
                continue
            for result in results:
                self._enter(result)

    def _enter(self, result: Result) -> None:
        self.results[result.id] += 1
        self.codes[result.status] += 1
        if result.status is Code.OK and not self._right(result):
            self.wrong.append(result)

    def _right(self, result: Result) -> bool:
        answers = self._trained.good_answers if result.version == 1 else self._trained.other_answers
        return result.body == b"[%d]" % answers[self._rows[result.id]]

    @property
    def accepted(self) -> int:
        return len(self._rows)

    @property
    def answered(self) -> int:
        return len(self.results)

    def wait_for_all(self, timeout: float = 120.0) -> None:
        """Wait until every accepted request was answered at least once."""
        eventually(lambda: self.answered == self.accepted, f"all of {self.accepted} answers", timeout)

    @property
    def doubled(self) -> list[str]:
        """Ids that were answered more than once."""
        return [name for name, count in self.results.items() if count > 1]
