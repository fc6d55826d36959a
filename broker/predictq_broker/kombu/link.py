"""What the engine needs of a connection, whatever lies behind it."""

from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Any, NamedTuple, Protocol

from predictq_broker.kombu.queues import Queue

__all__ = ["Count", "Fate", "Letter", "Link", "Message"]


class Letter(NamedTuple):
    """What is to be published: headers as text, the body as it is."""

    queue: str
    headers: Mapping[str, str | bytes]
    body: bytes
    id: str


class Fate(Enum):
    """What became of a letter."""

    STORED = auto()
    REFUSED = auto()
    """The queue is full."""
    NOWHERE = auto()
    """There is no such queue."""


class Message(NamedTuple):
    """What was delivered.

    Attributes:
        queue: The name of the queue it lay in.
        tag: Names it on this link, for `ack`; later ones are greater.
        headers: Of any types: somebody else may have written them.
        properties: The transport's own: `message_id`, `correlation_id`, `reply_to`, `content_type`, if there.
        body: As it was published.
    """

    queue: str
    tag: int
    headers: Mapping[str, Any]
    properties: Mapping[str, Any]
    body: bytes


class Count(NamedTuple):
    """A queue's messages that wait, and its consumers."""

    waiting: int
    consumers: int


class Link(Protocol):
    """One connection with its channels. Any method may raise `BrokerError`, and after `BrokerUnavailable` it is dead.

    Methods may be called from several threads.
    """

    def declare(self, queue: Queue) -> None:
        """See to it that the queue is there. One that is there with other arguments is left as it is."""
        ...

    def count(self, name: str) -> Count | None:
        """What is in the queue of that name; None if there is none."""
        ...

    def delete(self, name: str) -> None:
        """Remove the queue and all in it."""
        ...

    def publish(self, letters: Sequence[Letter]) -> list[Fate]:
        """Publish all, and wait until the server has said of each what became of it."""
        ...

    def open(self, name: str, window: int) -> None:
        """Have messages of the queue, which must be there, delivered: at most `window` that are not acknowledged.

        If it is open already, those that were delivered before no longer count.
        """
        ...

    def shut(self, name: str) -> None:
        """Have no more delivered. What was delivered stays ours."""
        ...

    def room(self, name: str) -> int | None:
        """How many more may be delivered now; None if the queue is not open, or was removed."""
        ...

    def gather(self, wait: float) -> list[Message]:
        """What has been delivered; blocks for at most `wait` seconds while there is nothing, or until woken."""
        ...

    def check(self) -> None:
        """Look whether the link was closed from the other side; takes nothing."""
        ...

    def flush(self) -> None:
        """Wait until all the server has sent before now is here, to be gathered."""
        ...

    def ack(self, tags: Sequence[int]) -> None:
        """Have these forgotten, together."""
        ...

    def beat(self) -> None:
        """Give a sign of life, and look whether the server gives some."""
        ...

    def wake(self) -> None:
        """Have a `gather` that blocks in another thread return."""
        ...

    def close(self) -> None:
        """End it; what is not acknowledged goes back. May be called twice."""
        ...
