"""Parcels: many requests, or results, in one entry of a stream.

What is stored, read and removed at once costs a fraction of what it would one by one. What becomes of each is still
decided one by one: see `take_out` in `lua/_library.lua`.
"""

import re
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from predictq_broker.wire import plain_names

__all__ = ["COMMON", "BadParcel", "Contents", "is_parcel", "packed", "unpacked"]

_NAMES: Final = [b"parcel", b"ids", b"sizes", b"bodies"]
COMMON: Final = 2 * len(_NAMES)
"""Where in the list of names and values those begin that all have in common."""


_are_sizes: Final = re.compile(rb"[0-9]{1,9}(?: [0-9]{1,9})*").fullmatch


class Contents(NamedTuple):
    """What is in a parcel: of each the id and the body."""

    ids: list[str]
    bodies: list[bytes]


class BadParcel(ValueError):
    """An entry begins like a parcel, and is none."""


def is_parcel(fields: Sequence[bytes]) -> bool:
    """Whether an entry says that it is one."""
    return fields[:1] == _NAMES[:1]


def packed(ids: Sequence[str], bodies: Sequence[bytes]) -> tuple[str, str, bytes]:
    """The ids, the sizes of the bodies, and the bodies, as they stand in an entry."""
    return " ".join(ids), " ".join(map(str, map(len, bodies))), b"".join(bodies)


def unpacked(fields: Sequence[bytes]) -> Contents:
    """The contents of an entry that says that it is a parcel.

    Raises:
        BadParcel: if it is none that we would have made.
    """
    if fields[:COMMON:2] != _NAMES or not (ids := plain_names(fields[3])):
        raise BadParcel("an entry begins like a parcel and is none")
    sizes, blob = fields[5], fields[7]
    if _are_sizes(sizes):
        with suppress(struct.error):
            bodies = struct.unpack(sizes.decode().replace(" ", "s") + "s", blob)
            if len(bodies) == len(ids):
                return Contents(ids, list(bodies))
    raise BadParcel("what is said of a parcel does not fit what it holds")
