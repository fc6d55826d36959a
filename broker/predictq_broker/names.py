"""The names that may become part of a key, a file or a log line."""

import os
import re
import string
import time
from collections.abc import Sequence
from typing import Final

from predictq_broker.errors import InvalidName

__all__ = [
    "INBOX_PREFIX",
    "LONGEST_NAME",
    "NAME_CHARACTERS",
    "check_name",
    "check_names",
    "is_inbox",
    "is_name",
    "new_id",
    "new_inbox_name",
]

INBOX_PREFIX = "inbox."
"""A reply-to that begins so is a client's inbox and expires with it; any other is a durable result queue."""

NAME_CHARACTERS: Final = f"{string.ascii_letters}{string.digits}._-".encode()
LONGEST_NAME: Final = 128

_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")


def is_name(text: str) -> bool:
    """Whether `text` may name a model, a result queue or a request."""
    return _NAME.fullmatch(text) is not None


def check_name(kind: str, text: str) -> str:
    """Return `text`, or raise `InvalidName` with a sentence that says what `kind` of name it was to be."""
    if not is_name(text):
        shown = text if len(text) <= 40 else f"{text[:40]}…"
        raise InvalidName(f"{kind} {shown!r} is not a name: use 1 to 128 of the characters A-Z a-z 0-9 . _ -")
    return text


def check_names(kind: str, texts: Sequence[str]) -> None:
    """As `check_name` for each, in a fifth of the time."""
    if len(texts) == 1:
        check_name(kind, texts[0])
        return
    others = "".join(texts).encode(errors="replace").translate(None, NAME_CHARACTERS)
    if others or not all(texts) or max(map(len, texts)) > LONGEST_NAME:
        for text in texts:
            check_name(kind, text)


def is_inbox(reply_to: str) -> bool:
    """Whether `reply_to` is a client's inbox rather than a durable result queue."""
    return reply_to.startswith(INBOX_PREFIX)


def new_id() -> str:
    """A request id nobody else has: 32 hexadecimal digits, of which the first 12 are the time in milliseconds.

    As in a UUID of version 7 (RFC 9562), ids made together sort together, so an index on them stays in cache.
    """
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"


def new_inbox_name() -> str:
    """A name for the inbox of one client process."""
    return INBOX_PREFIX + new_id()
