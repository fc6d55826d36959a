"""What comes to a consumer: which queues are open for how much, and what waits here to be handed out."""

import time
from collections.abc import Iterable, Mapping
from typing import Final

from predictq_broker.kombu.buffer import Buffer
from predictq_broker.kombu.catching_up import catch_up
from predictq_broker.kombu.fields import Arrival, read_arrival
from predictq_broker.kombu.link import Link, Message
from predictq_broker.kombu.queues import LANES, Queues
from predictq_broker.kombu.scout import PATIENCE, Lane, Scout
from predictq_broker.port import Capacity

__all__ = ["Intake"]

_FIRST: Final = 64
"""How many requests may come of a model whose bodies we have not seen."""
_MOST: Final = 65_535
"""AMQP knows no larger window, but for none."""
_UNWANTED: Final = 10.0
"""Seconds after which a model that is not asked for is closed, and what came of it given back."""
_SLEEP: Final = 1.0
_FEW: Final = 128
"""Whoever wants so few queues is handed nothing before all are open, so that what is urgent comes first."""
_SLICE: Final = 0.05
"""Seconds after which what has come is handed out, though more queues are to be opened."""


class _Model:
    """A model that is asked for: what came of it, and how far its queues are."""

    def __init__(self, queues: Queues, model: str) -> None:
        self.buffer = Buffer()
        self.names = {Lane(model, lane): queues.requests(model, lane).name for lane in LANES}
        self.asked = set(self.names)
        """Those that the scout looks at."""
        self.ready: set[Lane] = set()
        """Those that it found, and that are not open yet."""
        self.capacity: Capacity | None = None
        """What was wanted when its queues were last seen to."""


class Intake:
    """One generation's queues. The server sends ahead of `receive`, at most what the last capacity allows.

    Of many models only those are seen to of which something came, was taken or was wanted: else each read would cost
    four questions for each of them. All are once a second, for a queue may have been removed.
    """

    def __init__(self, link: Link, queues: Queues, scout: Scout) -> None:
        self._link = link
        self._queues = queues
        self._scout = scout
        self._models: dict[str, _Model] = {}
        self._changed: set[str] = set()
        self._waiting: set[str] = set()
        self._lanes: dict[str, Lane] = {}
        self._sizes: dict[str, int] = {}
        self._wanted: dict[str, float] = {}
        self._patient_until = 0.0
        self._see_to_all = 0.0
        self.closed = False
        scout.start_over(link)

    def receive(self, wants: Mapping[str, Capacity], wait: float) -> list[Arrival]:
        """As `Consumer.receive`."""
        deadline = time.monotonic() + wait
        self._want(wants)
        opened = self._open(wants)
        self._keep(self._link.gather(0))
        while self._patient(wants):
            self._keep(self._link.gather(_SLEEP))
            opened |= self._open(wants)
        if opened or wait <= 0:
            some = opened if wait > 0 else wants.keys()
            catch_up(self._link, lambda: self._short(wants, some), self._keep, lambda name: self._grow(name, wants))
        while True:
            taken = self._take(wants)
            left = deadline - time.monotonic()
            if taken or left <= 0 or self.closed:
                return taken
            self._keep(self._link.gather(min(left, _SLEEP)))
            self._open(wants)

    def _want(self, wants: Mapping[str, Capacity]) -> None:
        now = time.monotonic()
        self._wanted.update(dict.fromkeys(wants, now))
        new = {model: _Model(self._queues, model) for model in wants if model not in self._models}
        if new:
            self._models |= new
            self._scout.want(new)
            self._patient_until = now + PATIENCE

    def _patient(self, wants: Mapping[str, Capacity]) -> bool:
        """Whether to wait until more queues are open: of many, only while nothing has come."""
        left = self._scout.left
        if not left or self.closed or time.monotonic() > self._patient_until:
            return False
        return left <= _FEW or self._waiting.isdisjoint(wants)

    def _open(self, wants: Mapping[str, Capacity]) -> set[str]:
        """See to it that each queue may send what is wanted; the models of which queues were opened."""
        for lane in self._scout.found():
            if (model := self._models.get(lane.model)) is not None:
                model.asked.discard(lane)
                model.ready.add(lane)
                self._changed.add(lane.model)
        opened: set[str] = set()
        until = time.monotonic() + _SLICE
        for name in self._due(wants):
            if self._open_model(self._models[name], wants[name]):
                opened.add(name)
            self._changed.discard(name)
            if time.monotonic() > until:
                self._link.wake()  # there is more to be opened
                break
        return opened

    def _due(self, wants: Mapping[str, Capacity]) -> list[str]:
        now = time.monotonic()
        if now >= self._see_to_all:
            self._see_to_all = now + _SLEEP
            self._changed.update(wants)
        models, changed = self._models, self._changed
        return [name for name, capacity in wants.items() if name in changed or models[name].capacity != capacity]

    def _open_model(self, model: _Model, capacity: Capacity) -> bool:
        """What is there already makes no difference to queues that are opened now: what is urgent may lie there."""
        model.capacity = capacity
        window = _window(capacity, model.buffer.largest)
        opened = [self._open_now(lane, model.names[lane], window) for lane in model.ready]
        model.ready.clear()
        left = model.buffer.left(capacity)
        for lane, name in model.names.items() if left.any else ():
            if lane not in model.asked:
                opened.append(self._open_again(model, lane, name, left))
        return any(opened)

    def _open_again(self, model: _Model, lane: Lane, name: str, left: Capacity) -> bool:
        room = self._link.room(name)
        window = _window(left, model.buffer.largest)
        enough = room is not None and 0 < room <= 2 * window + _FIRST
        full = room is not None and room <= 0 and window * 2 < self._sizes[name]
        if enough or full:
            return False
        if self._lives(name):
            return self._open_now(lane, name, window)
        model.asked.add(lane)
        self._scout.again(lane)
        return False

    def _open_now(self, lane: Lane, name: str, window: int) -> bool:
        self._lanes[name] = lane
        self._sizes[name] = window
        self._link.open(name, window)
        return True

    def _lives(self, name: str) -> bool:
        """Whether a queue that was open need not be tried out again."""
        count = self._link.count(name)
        return count is not None and any(count)

    def _short(self, wants: Mapping[str, Capacity], some: Iterable[str]) -> list[str]:
        """The queues of some models that are open, and from which more is wanted than is here."""
        short = [model for name in some if (model := self._models[name]).buffer.left(wants[name]).any]
        return [name for model in short for name in model.names.values() if self._link.room(name) is not None]

    def _grow(self, name: str, wants: Mapping[str, Capacity]) -> None:
        model = self._lanes[name].model
        buffer = self._models[model].buffer
        left = buffer.left(wants[model])
        if left.any:
            self._sizes[name] = _window(left, buffer.largest)
            self._link.open(name, self._sizes[name])

    def _keep(self, messages: Iterable[Message]) -> None:
        for message in messages:
            model, lane = self._lanes[message.queue]
            self._models[model].buffer.add(read_arrival(model, lane, message))
            self._waiting.add(model)
            self._changed.add(model)

    def _take(self, wants: Mapping[str, Capacity]) -> list[Arrival]:
        found: list[Arrival] = []
        for name in [name for name in wants if name in self._waiting]:
            buffer = self._models[name].buffer
            found += buffer.take(wants[name])
            self._changed.add(name)
            if not buffer:
                self._waiting.discard(name)
        return found

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
        self._scout.forget(model)
        for name in self._models[model].names.values():
            self._link.shut(name)
        self._keep(self._link.gather(0))
        del self._wanted[model]
        self._waiting.discard(model)
        self._changed.discard(model)
        return list(self._models.pop(model).buffer)

    @property
    def models(self) -> list[str]:
        """Those that are open."""
        return list(self._wanted)


def _window(left: Capacity, largest: int) -> int:
    """How many messages may be under way to us: as many as fit in, by the largest body seen."""
    fit = left.size // largest if largest else _FIRST
    return max(1, min(left.requests, fit, _MOST))
