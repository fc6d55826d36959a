"""Ids for requests, many at a time."""

import os

__all__ = ["Ids"]

_AT_ONCE = 256


class Ids:
    """Random UUIDs (version 4) as 32 hexadecimal digits, as `predictq_broker.new_id` makes them.

    The system is asked for randomness once for many: a system call for each lets go of the interpreter's lock, and
    under load costs more than all else of asking. Safe for threads. A forked process needs one of its own.
    """

    def __init__(self) -> None:
        self._ready: list[str] = []

    def next(self) -> str:
        """An id nobody else has."""
        try:
            return self._ready.pop()
        except IndexError:
            made = _make(_AT_ONCE)
            last = made.pop()
            self._ready.extend(made)
            return last


def _make(count: int) -> list[str]:
    digits = os.urandom(16 * count).hex()
    return [_uuid(digits[start : start + 32]) for start in range(0, 32 * count, 32)]


def _uuid(digits: str) -> str:
    """The digits with those that tell version and variant set, as RFC 9562 has them."""
    return f"{digits[:12]}4{digits[13:16]}{'89ab'[int(digits[16], 16) & 3]}{digits[17:]}"
