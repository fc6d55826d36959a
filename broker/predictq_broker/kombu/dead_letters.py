"""An operator's side of the dead letters of one model."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import Final

from predictq_broker.errors import BrokerFull, BrokerUnavailable
from predictq_broker.kombu.fields import Fields, as_headers
from predictq_broker.kombu.graves import read_dead_letter
from predictq_broker.kombu.link import Fate, Letter, Link
from predictq_broker.kombu.queues import Queues
from predictq_broker.messages import DeadLetter

__all__ = ["KombuDeadLetters"]

_MOST: Final = 65_535
"""The oldest that a look can see: so many messages may be under way without being acknowledged."""


class KombuDeadLetters:
    """Implements `predictq_broker.DeadLetters`: takes them on a link of its own, and gives back what is to stay.

    For others they are away for as long as that lasts. Beyond the oldest 65 535 it does not see.
    """

    def __init__(self, connect: Callable[[], Link], queues: Queues, model: str) -> None:
        self._connect = connect
        self._queues = queues
        self._model = model

    def list(self, limit: int = 100) -> Sequence[DeadLetter]:
        """As `DeadLetters.list`."""
        with closing(self._connect()) as link:
            return [letter for letter, _, _ in islice(self._read(link), limit)]

    def show(self, tag: str) -> DeadLetter | None:
        """As `DeadLetters.show`."""
        with closing(self._connect()) as link:
            return next((letter for letter, _, _ in self._read(link) if letter.tag == tag), None)

    def replay(self, tags: Collection[str] | None = None) -> int:
        """As `DeadLetters.replay`, in two steps: if the second fails, a request is in both queues."""
        return self._take(tags, self._publish)

    def purge(self, tags: Collection[str] | None = None) -> int:
        """As `DeadLetters.purge`."""
        return self._take(tags, lambda _link, _letter, _fields: None)

    def _take(self, tags: Collection[str] | None, use: Callable[[Link, DeadLetter, Fields], None]) -> int:
        if tags is not None and not tags:
            return 0
        taken = 0
        with closing(self._connect()) as link:
            for letter, fields, place in self._read(link):
                if tags is None or letter.tag in tags:
                    use(link, letter, fields)
                    link.ack([place])
                    taken += 1
            link.flush()
        return taken

    def _publish(self, link: Link, letter: DeadLetter, fields: Fields) -> None:
        queue = self._queues.requests(self._model, letter.request.priority.value)
        headers = as_headers(fields) | {"sent_at": str(time.time_ns() // 1_000_000)}
        request = Letter(queue.name, headers, fields[b"body"], letter.request.id)
        (fate,) = link.publish([request])
        if fate is Fate.NOWHERE:
            link.declare(queue)
            (fate,) = link.publish([request])
        if fate is not Fate.STORED:
            raise BrokerFull(f"replay: the queue {queue.name} is full; try again when workers have drained it")

    def _read(self, link: Link) -> Iterator[tuple[DeadLetter, Fields, int]]:
        """Oldest first, each with its tag on the link."""
        name = self._queues.dead(self._model).name
        count = link.count(name)
        left = min(_MOST, count.waiting) if count else 0
        if left <= 0:
            return
        link.open(name, left)
        deadline = time.monotonic() + 10.0
        while left:
            messages = link.gather(1.0)
            for message in messages:
                yield *read_dead_letter(self._model, message), message.tag
                left -= 1
            if not messages and time.monotonic() > deadline:
                raise BrokerUnavailable(
                    f"read {name}: {left} dead letters did not come; is somebody else reading them?"
                )
