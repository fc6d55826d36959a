"""What this worker holds, and how much more it can take."""

import threading
from collections import Counter
from collections.abc import Collection, Iterable
from itertools import groupby
from operator import attrgetter
from typing import Final

from predictq_broker import Capacity, Delivery

__all__ = ["Ledger"]

_model: Final = attrgetter("request.model")


class Ledger:
    """Every delivery between `receive` and its end. A model whose buffer is full is not read from."""

    def __init__(self, most: Capacity) -> None:
        """Of each model at most so much at once."""
        self._most = most
        self._changed = threading.Condition()
        self._held: dict[int, Delivery] = {}  # by identity: it is the same object from receipt to end
        self._requests: Counter[str] = Counter()
        self._rows: Counter[str] = Counter()
        self._size: Counter[str] = Counter()
        self._suspects: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._held)

    @property
    def suspects(self) -> int:
        """How many are held that outlived a worker."""
        return self._suspects.total()

    def room(self, models: Iterable[str]) -> dict[str, Capacity]:
        """What can be taken now; models that have no room are left out."""
        with self._changed:
            free = {model: self._room(model) for model in models}
        return {model: capacity for model, capacity in free.items() if capacity.any}

    def _room(self, model: str) -> Capacity:
        requests, rows, size, suspects = self._most
        return Capacity(
            requests - self._requests[model],
            rows - self._rows[model],
            size - self._size[model],
            suspects - self._suspects[model],
        )

    def enter(self, deliveries: Collection[Delivery]) -> None:
        """These were received."""
        with self._changed:
            self._held.update({id(delivery): delivery for delivery in deliveries})
            self._count(deliveries, 1)

    def leave(self, deliveries: Iterable[Delivery]) -> None:
        """These are settled, buried, released or lost."""
        with self._changed:
            gone = [delivery for delivery in deliveries if self._held.pop(id(delivery), None) is not None]
            self._count(gone, -1)
            self._changed.notify_all()

    def _count(self, deliveries: Collection[Delivery], sign: int) -> None:
        """In one sum for those that come one after another: as a rule all of a batch."""
        for model, some in groupby(deliveries, key=_model):
            of_model = list(some)
            requests = [delivery.request for delivery in of_model]
            self._suspects[model] += sign * sum([delivery.attempt > 1 for delivery in of_model])
            self._requests[model] += sign * len(requests)
            self._rows[model] += sign * sum([request.rows for request in requests])
            self._size[model] += sign * sum([len(request.body) for request in requests])

    def held(self) -> list[Delivery]:
        """All that is held now."""
        with self._changed:
            return list(self._held.values())

    def wait_for_change(self, timeout: float) -> None:
        """Until something leaves, or `timeout` seconds have passed."""
        with self._changed:
            self._changed.wait(timeout)
