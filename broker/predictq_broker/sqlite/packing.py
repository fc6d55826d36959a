"""Many bodies in one blob, one after another with their sizes beside them."""

from collections.abc import Iterator, Sequence
from struct import pack, unpack
from typing import Final

__all__ = ["MOST_BYTES", "cut", "how_many", "pack_sizes"]

MOST_BYTES: Final = 64 * 1024
"""Of bodies in one blob of several: a larger one costs so much that a row of its own makes no difference."""


def pack_sizes(bodies: Sequence[bytes]) -> bytes:
    """The size of each, four bytes each."""
    return pack(f"<{len(bodies)}I", *map(len, bodies))


def how_many(sizes: bytes | None) -> int:
    """For how many bodies these sizes are; without any it is one."""
    return 1 if sizes is None else len(sizes) // 4


def cut(blob: bytes, sizes: bytes) -> Iterator[bytes]:
    """The bodies in `blob`."""
    end = 0
    for size in unpack(f"<{how_many(sizes)}I", sizes):
        begin, end = end, end + size
        yield blob[begin:end]
