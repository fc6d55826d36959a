"""What the server has said of the letters of one call to `publish`."""

from collections.abc import Sequence

from predictq_broker.kombu.link import Fate, Letter

__all__ = ["Confirms"]


class Confirms:
    """One `publish` waits for its confirms: numbers that go on from those of the channel's calls before."""

    def __init__(self) -> None:
        self._letters: Sequence[Letter] = ()
        self._fates: list[Fate | None] = []
        self._before = 0  # the channel's number of the last letter of earlier calls
        self._low = 0  # all of ours up to here are told
        self._returned: set[tuple[str, str]] = set()
        self.open = 0

    def expect(self, letters: Sequence[Letter]) -> None:
        """These are published next."""
        self._before += len(self._letters)
        self._letters = letters
        self._fates = [None] * len(letters)
        self._low = 0
        self._returned.clear()
        self.open = len(letters)

    def returned(self, queue: str, name: str) -> None:
        """A letter came back; the server says so before it confirms it."""
        self._returned.add((queue, name))

    def confirmed(self, tag: int, *, multiple: bool, stored: bool) -> None:
        """A letter, or all up to it, were stored or refused."""
        last = tag - self._before
        fate = Fate.STORED if stored else Fate.REFUSED
        for n in range(self._low if multiple else last - 1, last):
            if n >= 0 and self._fates[n] is None:
                self._fates[n] = fate
                self.open -= 1
        if multiple:
            self._low = max(self._low, last)

    @property
    def fates(self) -> list[Fate]:
        """Of all letters, in order, once none is `open`."""
        found = [fate or Fate.REFUSED for fate in self._fates]
        if self._returned:
            for n, letter in enumerate(self._letters):
                if (letter.queue, letter.id) in self._returned:
                    found[n] = Fate.NOWHERE
        return found
