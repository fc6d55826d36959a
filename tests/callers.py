"""Callers that keep a worker busy, and know what is right."""

import threading
from collections import Counter
from typing import Self

from models import Iris

from predictq import Client, PredictqError

__all__ = ["Load"]


class Load:
    """Callers that ask one row after another; version 1 is the good model, all others are the other one."""

    def __init__(self, broker_url: str, trained: Iris, callers: int = 16) -> None:
        self._client = Client(broker_url)
        self._trained = trained
        self._stop = threading.Event()
        self._versions: Counter[int] = Counter()
        self.failures: list[PredictqError] = []
        self.wrong = 0
        self._threads = [threading.Thread(target=self._ask, args=(n,), daemon=True) for n in range(callers)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()
        self._client.close()

    def finish(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a request was never answered"

    def answered(self, version: int) -> int:
        return self._versions[version]

    def _ask(self, n: int) -> None:
        while not self._stop.is_set():
            n = (n + 7) % 150
            try:
                prediction = self._client.predict("iris", [self._trained.rows[n].tolist()], timeout=30)
            except PredictqError as error:
                self.failures.append(error)
                continue
            first = prediction.version == 1
            right = self._trained.good_answers[n] if first else self._trained.other_answers[n]
            self.wrong += prediction.outputs != [right]
            self._versions[prediction.version] += 1
