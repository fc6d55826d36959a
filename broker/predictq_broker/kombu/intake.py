"""What comes to a consumer: which queues are open for how much, and what waits here to be handed out."""

import time
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from predictq_broker.kombu.buffer import Buffer
from predictq_broker.kombu.catching_up import catch_up
from predictq_broker.kombu.fields import Arrival, read_arrival
from predictq_broker.kombu.link import Link, Message
from predictq_broker.kombu.queues import LANES, Queues
from predictq_broker.kombu.scout import Scout
from predictq_broker.port import Capacity

__all__ = ["Intake"]

_FIRST: Final = 64
"""How many requests may come of a model whose bodies we have not seen."""
_MOST: Final = 65_535
"""AMQP knows no larger window, but for none."""
_UNWANTED: Final = 10.0
"""Seconds after which a model that is not asked for is closed, and what came of it given back."""
_SLEEP: Final = 1.0


class _Lane(NamedTuple):
    model: str
    lane: str


class Intake:
    """One generation's queues. The server sends ahead of `receive`, at most what the last capacity allows."""

    def __init__(self, link: Link, queues: Queues, scout: Scout) -> None:
        self._link = link
        self._queues = queues
        self._scout = scout
        self._buffers: dict[str, Buffer] = {}
        self._lanes: dict[str, _Lane] = {}
        self._sizes: dict[str, int] = {}
        self._wanted: dict[str, float] = {}
        self.closed = False

    def receive(self, wants: Mapping[str, Capacity], wait: float) -> list[Arrival]:
        """As `Consumer.receive`."""
        deadline = time.monotonic() + wait
        self._wanted.update(dict.fromkeys(wants, time.monotonic()))
        changed = self._open(wants)
        self._keep(self._link.gather(0))
        if changed or wait <= 0:
            catch_up(self._link, lambda: self._short(wants), self._keep, lambda name: self._grow(name, wants))
        while True:
            taken = [arrival for model, capacity in wants.items() for arrival in self._buffers[model].take(capacity)]
            left = deadline - time.monotonic()
            if taken or left <= 0 or self.closed:
                return taken
            self._keep(self._link.gather(min(left, _SLEEP)))
            self._open(wants)

    def _open(self, wants: Mapping[str, Capacity]) -> bool:
        """See to it that each queue may send what is wanted; whether anything had to be changed."""
        changed = False
        for model, capacity in wants.items():
            buffer = self._buffers.setdefault(model, Buffer())
            left = buffer.left(capacity)
            for lane in LANES if left.any else ():
                changed |= self._open_lane(_Lane(model, lane), left, buffer.largest)
        self._scout.rest()
        return changed

    def _open_lane(self, lane: _Lane, left: Capacity, largest: int) -> bool:
        queue = self._queues.requests(*lane)
        room = self._link.room(queue.name)
        window = _window(left, largest)
        enough = room is not None and 0 < room <= 2 * window + _FIRST
        full = room is not None and room <= 0 and window * 2 < self._sizes[queue.name]
        if enough or full or not self._scout.ready(self._link, *lane):
            return False
        self._lanes[queue.name] = lane
        self._sizes[queue.name] = window
        self._link.open(queue.name, window)
        return True

    def _short(self, wants: Mapping[str, Capacity]) -> Iterable[str]:
        """The queues that are open, and from which more is wanted than is here."""
        short = [model for model, capacity in wants.items() if self._buffers[model].left(capacity).any]
        names = [queue.name for model in short for queue in self._queues.lanes(model)]
        return [name for name in names if self._link.room(name) is not None]

    def _grow(self, name: str, wants: Mapping[str, Capacity]) -> None:
        model = self._lanes[name].model
        buffer = self._buffers[model]
        left = buffer.left(wants[model])
        if left.any:
            self._sizes[name] = _window(left, buffer.largest)
            self._link.open(name, self._sizes[name])

    def _keep(self, messages: Iterable[Message]) -> None:
        for message in messages:
            model, lane = self._lanes[message.queue]
            self._buffers[model].add(read_arrival(model, lane, message))

    def unwanted(self) -> list[Arrival]:
        """What came of models that nobody has asked for in a while; they send no more."""
        now = time.monotonic()
        models = [model for model, since in self._wanted.items() if now - since > _UNWANTED]
        found: list[Arrival] = []
        for model in models:
            found += self.shut(model)
        return found

    def shut(self, model: str) -> list[Arrival]:
        """Close a model's queues; what had come of it."""
        for queue in self._queues.lanes(model):
            self._link.shut(queue.name)
        self._keep(self._link.gather(0))
        del self._wanted[model]
        return list(self._buffers.pop(model, ()))

    @property
    def models(self) -> list[str]:
        """Those that are open."""
        return list(self._wanted)


def _window(left: Capacity, largest: int) -> int:
    """How many messages may be under way to us: as many as fit in, by the largest body seen."""
    fit = left.size // largest if largest else _FIRST
    return max(1, min(left.requests, fit, _MOST))
