"""Entries of a stream: as they are read, and in our hands."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from predictq_broker.messages import Delivery

__all__ = ["Entry", "Fields", "Found", "Handed", "Place", "Tag", "accepted", "as_map", "tag_of"]

Fields = Sequence[bytes]
Found = tuple[bytes, Fields]
"""An entry as it is read: its name and its fields."""
Handed = Sequence[Any]
"""Entries as `receive.lua` returns them: the number of their stream, the attempt, of each its name and fields, and, if
there are parcels among them, of each its state."""


class Place(NamedTuple):
    """Where an entry is: the queue, told by its hash of leases, the number of the stream, and its name there."""

    leases: str
    stream: int
    name: bytes


class Entry(NamedTuple):
    """An entry in our hands.

    Attributes:
        stream: The number of its stream.
        name: Its name there.
        consumer: The name under which we hold it.
        leases: Of its queue.
        left: If it is a parcel, how many of its requests were handed to us; 0 if it is none.
        whole: Whether these are all that it ever had.
    """

    stream: int
    name: bytes
    consumer: str
    leases: str
    left: int = 0
    whole: bool = False

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(self.leases, self.stream, self.name)

    @property
    def path(self) -> str:
        """As `place`, in the words of the scripts, which know the queue."""
        return f"{self.stream}:{self.name.decode()}"


class Tag(NamedTuple):
    """What a delivery's tag holds here. All deliveries from one parcel have the same `entry`.

    Attributes:
        entry: Where it came in.
        size: Bytes of its body.
        number: Its number in the parcel, from 0; -1 if it is in none, or stands for all of it.
    """

    entry: Entry
    size: int
    number: int = -1

    @property
    def place(self) -> Place:
        """Where its entry is."""
        return self.entry.place

    @property
    def which(self) -> str:
        """Which of its entry it is, in the words of the scripts."""
        return str(self.number) if self.number >= 0 else "*" if self.entry.left else ""


def tag_of(delivery: Delivery) -> Tag:
    """The tag that this engine put into a delivery."""
    if not isinstance(delivery.tag, Tag):
        raise TypeError("this delivery came from another broker")
    return delivery.tag


def as_map(fields: Fields) -> dict[bytes, bytes]:
    """The flat list of an entry as a map."""
    pairs: Iterator[bytes] = iter(fields)
    return dict(zip(pairs, pairs, strict=True))


def accepted(name: bytes) -> float:
    """When an entry was accepted, in seconds by the server's clock: its name begins with that."""
    return int(name.partition(b"-")[0]) / 1e3
