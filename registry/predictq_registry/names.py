"""The names that may become part of a path."""

import re

from predictq_registry.errors import InvalidName

__all__ = ["MAX_VERSION_DIGITS", "check_alias", "check_model", "is_name", "is_version"]

MAX_VERSION_DIGITS = 9

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")


def is_name(text: str) -> bool:
    """Whether `text` may name a model or an alias: never a path, never hidden, never `.` or `..`."""
    return _NAME.fullmatch(text) is not None


def is_version(text: str) -> bool:
    """Whether `text` is a version as it is written: digits without leading zeros."""
    return len(text) <= MAX_VERSION_DIGITS and text.isascii() and text.isdigit() and not text.startswith("0")


def check_model(text: str) -> str:
    """Return `text`, or raise `InvalidName` if no model may be called so."""
    if not is_name(text):
        raise InvalidName(f"model {shown(text)} {_RULE}")
    return text


def check_alias(text: str) -> str:
    """Return `text`, or raise `InvalidName` if no alias may be called so."""
    if not is_name(text):
        raise InvalidName(f"alias {shown(text)} {_RULE}")
    if text == "feedback":
        raise InvalidName(f"alias {shown(text)} is where outcomes are reported to: use another name")
    if text.isdigit():
        raise InvalidName(f"alias {shown(text)} could be taken for a version: use at least one letter")
    return text


def shown(text: str) -> str:
    """`text` as it may stand in a sentence: quoted, escaped and short."""
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


_RULE = "is not a name: use 1 to 128 of the characters A-Z a-z 0-9 . _ -, and no dot at the beginning"
