"""Ids for requests, many at a time."""

import os
from typing import Final

__all__ = ["Ids"]

_TAILS: Final = tuple(f"{number:03x}" for number in range(4096))


class Ids:
    """32 hexadecimal digits: a random head of 29, and a tail that counts up.

    What is made together has one head, so a broker finds what it knows of all of them in one place; and the system is
    asked for randomness once for thousands. Nobody else has such a head: it holds 116 random bits. Safe for threads.
    A forked process needs one of its own.
    """

    def __init__(self) -> None:
        self._ready = map(str, ())

    def next(self) -> str:
        """An id nobody else has."""
        made = next(self._ready, None)
        while made is None:  # of threads that come here together each makes a head, and the last one's is used up
            self._ready = map(os.urandom(15).hex()[:29].__add__, _TAILS)
            made = next(self._ready, None)
        return made
