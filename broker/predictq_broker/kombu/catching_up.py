"""The server sends when it sees fit; whoever does not want to wait needs to know that nothing more is coming."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from predictq_broker.kombu.link import Link, Message

__all__ = ["catch_up"]

_LONGEST: Final = 1.0
_PAUSE: Final = 0.005


def catch_up(
    link: Link,
    wanted: Callable[[], Iterable[str]],
    keep: Callable[[Sequence[Message]], None],
    grow: Callable[[str], None],
) -> None:
    """Gather what the server says is there, for at most a second.

    Args:
        link: Where the queues are open.
        wanted: The names of those from which more is wanted than has come.
        keep: Is given what comes.
        grow: Makes room on a queue that may send no more.
    """
    until = time.monotonic() + _LONGEST
    while time.monotonic() < until:
        waiting = [name for name in wanted() if (count := link.count(name)) is not None and count.waiting]
        if not waiting:
            link.flush()
            keep(link.gather(0))
            return
        for name in waiting:
            if (link.room(name) or 0) <= 0:
                grow(name)
        keep(link.gather(_PAUSE))
