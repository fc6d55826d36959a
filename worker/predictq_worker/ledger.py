"""What this worker holds, and how much more it can take."""

import threading
from collections import Counter
from collections.abc import Iterable

from predictq_broker import Capacity, Delivery

__all__ = ["Ledger"]


class Ledger:
    """Every delivery between `receive` and its end. A model whose buffer is full is not read from."""

    def __init__(self, requests: int, rows: int, size: int) -> None:
        """Per model at most so many `requests`, `rows` and bytes (`size`) at once."""
        self._most = Capacity(requests, rows, size)
        self._changed = threading.Condition()
        self._held: dict[object, Delivery] = {}
        self._requests: Counter[str] = Counter()
        self._rows: Counter[str] = Counter()
        self._size: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._held)

    def room(self, models: Iterable[str]) -> dict[str, Capacity]:
        """What can be taken now; models that have no room are left out."""
        with self._changed:
            free = {model: self._room(model) for model in models}
        return {model: capacity for model, capacity in free.items() if min(capacity) > 0}

    def _room(self, model: str) -> Capacity:
        requests, rows, size = self._most
        return Capacity(requests - self._requests[model], rows - self._rows[model], size - self._size[model])

    def enter(self, deliveries: Iterable[Delivery]) -> None:
        """These were received."""
        with self._changed:
            for delivery in deliveries:
                self._held[delivery.tag] = delivery
                self._count(delivery, 1)

    def leave(self, deliveries: Iterable[Delivery]) -> None:
        """These are settled, buried, released or lost."""
        with self._changed:
            for delivery in deliveries:
                if self._held.pop(delivery.tag, None) is not None:
                    self._count(delivery, -1)
            self._changed.notify_all()

    def _count(self, delivery: Delivery, sign: int) -> None:
        request = delivery.request
        self._requests[request.model] += sign
        self._rows[request.model] += sign * max(request.rows, 1)
        self._size[request.model] += sign * len(request.body)

    def held(self) -> list[Delivery]:
        """All that is held now."""
        with self._changed:
            return list(self._held.values())

    def wait_for_change(self, timeout: float) -> None:
        """Until something leaves, or `timeout` seconds have passed."""
        with self._changed:
            self._changed.wait(timeout)
