"""Which queues are open on a link, and how many more messages each may send us."""

from collections.abc import Sequence

__all__ = ["Windows"]


class _Window:
    """One queue that is open: how many it may deliver, and how many of these are not acknowledged."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.used = 0


class Windows:
    """The bookkeeping of what is delivered and not acknowledged. Not safe for threads: the link's lock guards it."""

    def __init__(self) -> None:
        self._open: dict[str, _Window] = {}
        self._unacked: dict[int, _Window] = {}  # in the order of delivery

    def open(self, name: str, size: int) -> None:
        """Count anew for this queue."""
        self._open[name] = _Window(size)

    def shut(self, name: str) -> None:
        """This queue delivers no more."""
        self._open.pop(name, None)

    def room(self, name: str) -> int | None:
        """How many more this queue may deliver; None if it is not open."""
        window = self._open.get(name)
        return None if window is None else window.size - window.used

    def deliver(self, name: str, tag: int) -> None:
        """One came. That of a queue just shut is counted for nobody."""
        window = self._open.get(name) or _Window(0)
        window.used += 1
        self._unacked[tag] = window

    def ack(self, tags: Sequence[int]) -> tuple[int, list[int]]:
        """Forget these. The last tag of those that may be acknowledged at once (0: none), and the other tags."""
        known = [tag for tag in tags if tag in self._unacked]
        left = set(known)
        prefix = 0
        for tag in self._unacked:
            if tag not in left:
                break
            prefix = tag
            left.discard(tag)
        for tag in known:
            self._unacked.pop(tag).used -= 1
        return prefix, sorted(left)
