"""A consumer's connections: both live, or neither."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from predictq_broker.errors import BrokerError, BrokerUnavailable
from predictq_broker.kombu.fields import Arrival
from predictq_broker.kombu.link import Fate, Letter, Link
from predictq_broker.kombu.queues import Queue, Queues
from predictq_broker.names import is_inbox

__all__ = ["Generation", "Held", "Links", "Post"]

_logger = logging.getLogger(__name__)


class Links(NamedTuple):
    """How to open links.

    Attributes:
        reading: To read and acknowledge on.
        writing: To publish on.
        plain: Needs no sign of life.
        trying: To try a queue out on, with much patience; None where that is not needed.
    """

    reading: Callable[[float], Link]
    writing: Callable[[float], Link]
    plain: Callable[[], Link]
    trying: Callable[[], Link] | None


Post = tuple[Queue, Letter]
"""A letter, and the queue to make if it is not there."""


@dataclass(frozen=True, eq=False, slots=True)
class Held:
    """The tag of a delivery: what was delivered, and to which generation."""

    generation: "Generation"
    arrival: Arrival


class Generation:
    """Everything delivered on one pair of connections, until one of them breaks.

    The server gives back what we held as soon as it sees the reading connection end. The writing one ends no later,
    for its heartbeats are shorter: who has lost requests cannot publish answers to them.
    """

    def __init__(self, links: Links, queues: Queues, lease: float) -> None:
        self.writing = links.writing(lease)
        try:
            self.reading = links.reading(lease)
        except BrokerError:
            self.writing.close()
            raise
        self._queues = queues
        self.held: dict[int, Arrival] = {}

    def hold(self, arrivals: Iterable[Arrival]) -> None:
        """These are in the hands of our caller."""
        self.held.update((arrival.tag, arrival) for arrival in arrivals)

    def holds(self, held: Held) -> bool:
        """Whether this delivery is ours still."""
        return held.generation is self and held.arrival.tag in self.held

    def claim(self, held: Held) -> Arrival | None:
        """Take it out of our caller's hands, once; None if it is not there, or was another generation's."""
        return self.held.pop(held.arrival.tag, None) if held.generation is self else None

    def claim_all(self) -> list[Arrival]:
        """Everything out of our caller's hands."""
        return [arrival for tag in list(self.held) if (arrival := self.held.pop(tag, None)) is not None]

    def alive(self) -> None:
        """Look whether a connection was closed meanwhile.

        Raises:
            BrokerUnavailable: if so.
        """
        self.reading.check()
        self.writing.check()

    def beat(self) -> None:
        """Give a sign of life on both connections; first where it keeps the requests ours."""
        self.reading.beat()
        self.writing.beat()

    def publish(self, posts: Sequence[Post], *, made: bool = False) -> None:
        """Publish all. A queue that is not there is made; an inbox that is not there has no reader.

        Raises:
            BrokerUnavailable: if the server refused one.
        """
        if not posts:
            return
        fates = self.writing.publish([letter for _, letter in posts])
        if Fate.REFUSED in fates:
            queue = posts[fates.index(Fate.REFUSED)][0]
            raise BrokerUnavailable(f"publish: the server did not take a message for {queue.name}; it may soon")
        missing = [pair for pair, fate in zip(posts, fates, strict=True) if fate is Fate.NOWHERE]
        if not missing:
            return
        again = [pair for pair in missing if not is_inbox(pair[0].name.removeprefix("predictq.results."))]
        if len(again) < len(missing):
            _logger.debug("results for inboxes that are gone", extra={"count": len(missing) - len(again)})
        if made:
            raise BrokerUnavailable(f"publish: the queue {missing[0][0].name} was removed meanwhile")
        for queue in {queue.name: queue for queue, _ in again}.values():
            self.writing.declare(queue)
        self.publish(again, made=True)

    def close(self) -> None:
        """End both."""
        self.writing.close()
        self.reading.close()
