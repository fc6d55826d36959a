"""When, by whom and why, as it is written into releases and alias changes."""

import getpass
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator

__all__ = ["Words", "now", "whoever"]


def _writable(text: object) -> object:
    return text.encode(errors="replace").decode() if isinstance(text, str) else text


Words = Annotated[str, BeforeValidator(_writable)]
"""What people write, with a question mark for each byte of a command line that is no text."""


def now() -> str:
    """This moment in UTC as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def whoever(author: str | None) -> str:
    """`author`, or the user this process runs as, or `unknown` where the system has no name for it."""
    if author is not None:
        return author
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"
