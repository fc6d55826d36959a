"""Entries of a stream: as they are read, and in our hands."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from predictq_broker.messages import Delivery

__all__ = [
    "ALL",
    "Entry",
    "Fields",
    "Found",
    "Handed",
    "Place",
    "Returned",
    "Tag",
    "accepted",
    "as_map",
    "by_entry",
    "in_words",
    "tag_of",
]

Fields = Sequence[bytes]
Found = tuple[bytes, Fields]
"""An entry as it is read: its name and its fields."""
Handed = Sequence[Any]
"""Entries as `receive.lua` returns them: the number of their stream, the attempt, of each its name and fields, and, if
there are parcels among them, of each its state."""


ALL: Final = -1
"""The number of what is in no parcel, or stands for all of one."""


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
        held: The numbers of those of its requests that are ours, as far as we know; `ALL`: one that is in no parcel, or
            that stands for all of it.
        left: If it is a parcel, how many of its requests were handed to us; 0 if it is none.
        whole: Whether these are all that it ever had.
    """

    stream: int
    name: bytes
    consumer: str
    leases: str
    held: set[int]
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


Tag = tuple[Entry, int, int]
"""What a delivery's tag holds here: its entry, which is the same object for all from one parcel, the bytes of its body,
and its number in the parcel, from 0, or `ALL`.
"""


def tag_of(delivery: Delivery) -> Tag:
    """The tag that this engine put into a delivery."""
    tag: Any = delivery[1]
    if isinstance(tag, tuple) and isinstance(tag[0], Entry):
        return tag
    raise TypeError("this delivery came from another broker")


def in_words(entry: Entry, number: int) -> str:
    """Which of its entry it is, in the words of the scripts."""
    return str(number) if number >= 0 else "*" if entry.left else ""


class Returned(NamedTuple):
    """What is to be given back of an entry."""

    model: str
    entry: Entry
    attempt: int
    numbers: set[int]


def by_entry(deliveries: Iterable[Delivery]) -> Collection[Returned]:
    """What is to be given back when these are."""
    returned: dict[int, Returned] = {}
    for delivery in deliveries:
        entry, _, number = tag_of(delivery)
        some = Returned(delivery.request.model, entry, delivery.attempt, set())
        returned.setdefault(id(entry), some).numbers.add(number)
    return returned.values()


def as_map(fields: Fields) -> dict[bytes, bytes]:
    """The flat list of an entry as a map."""
    pairs: Iterator[bytes] = iter(fields)
    return dict(zip(pairs, pairs, strict=True))


def accepted(name: bytes) -> float:
    """When an entry was accepted, in seconds by the server's clock: its name begins with that."""
    return int(name.partition(b"-")[0]) / 1e3
