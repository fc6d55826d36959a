"""When and by whom, as it is written into releases and alias changes."""

import getpass
from datetime import UTC, datetime

__all__ = ["now", "whoever"]


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
