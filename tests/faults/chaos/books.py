"""What became of every request, as far as the journals tell: followed while they grow."""

import itertools
import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

__all__ = ["Books", "Entry"]


class Entry:
    """One request.

    Attributes:
        what: What was asked, as `questions` names it; empty if nobody asked.
        asker: Which life of which producer asked: what its ids begin with.
        asked: When, on the monotonic clock.
        accepted: When it was known to be accepted; None if it never was.
        refused: Whether it was told not to be stored.
        answered: When the first answer came; None if none did.
        answers: How many came, but for those that a subscriber got after another one died with it.
        code, version, outputs: The first answer.
    """

    __slots__ = ("accepted", "answered", "answers", "asked", "asker", "code", "outputs", "refused", "version", "what")

    def __init__(self, asker: str, what: str, asked: float) -> None:
        self.asker = asker
        self.what = what
        self.asked = asked
        self.accepted: float | None = None
        self.refused = False
        self.answered: float | None = None
        self.answers = 0
        self.code = ""
        self.version = 0
        self.outputs = ""

    @property
    def ordinary(self) -> bool:
        """Whether it asked for irises, and not for trouble."""
        return ":" in self.what


class Books:
    """All requests by id, those accepted and not yet answered, and how often a verdict was `unknown`."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.open: dict[str, Entry] = {}
        self.unknown: set[str] = set()
        self.redelivered = 0
        self.answers = 0
        self.versions: Counter[int] = Counter()
        self._journals: dict[Path, int] = {}
        self._lock = threading.Lock()
        self._early: dict[str, list[tuple[float, list[str]]]] = {}

    def follow(self, journal: Path) -> None:
        """Read this one too."""
        self._journals.setdefault(journal, 0)

    def poll(self) -> None:
        """Read what was written since. Whoever uses the books while another thread polls sees whole requests."""
        with self._lock:
            for path in self._journals:
                if path.exists():
                    self._read(path)

    def _read(self, path: Path) -> None:
        with path.open("rb") as file:
            file.seek(self._journals[path])
            text, newline, _ = file.read().rpartition(b"\n")
        self._journals[path] += len(text) + len(newline)
        for line in text.decode().split("\n") if text else ():
            self._enter(line)

    def _enter(self, line: str) -> None:
        time, event, id_, *rest = line.split("\t")
        if event == "asked":
            self._asked(id_, rest[0], float(time))
        elif id_ not in self.entries:
            self._early.setdefault(id_, []).append((float(time), [event, *rest]))  # from a journal read before
        else:
            self._told(id_, float(time), [event, *rest])

    def _asked(self, id_: str, what: str, time: float) -> None:
        if id_ not in self.entries:  # else it is asked again
            self.entries[id_] = Entry(id_.rpartition("-")[0], what, time)
        for when, event in self._early.pop(id_, ()):
            self._told(id_, when, event)

    def _told(self, id_: str, time: float, event: list[str]) -> None:
        entry = self.entries[id_]
        match event:
            case ["verdict", "accepted", *_]:
                self._accept(id_, entry, time)
            case ["verdict", "unknown", *_]:
                self.unknown.add(id_)
            case ["verdict", "refused", *_]:
                entry.refused = True
            case ["answer", code, version, outputs, attempt]:
                self._answer(id_, entry, time, (code, int(version), outputs), int(attempt))
            case _:
                raise ValueError(f"a journal has the event {event}")

    def _accept(self, id_: str, entry: Entry, time: float) -> None:
        if entry.accepted is None:
            entry.accepted = time
            if entry.answered is None:
                self.open[id_] = entry

    def _answer(self, id_: str, entry: Entry, time: float, said: tuple[str, int, str], attempt: int) -> None:
        self.answers += 1
        self.versions[said[1]] += 1
        self.open.pop(id_, None)
        if entry.accepted is None:
            entry.accepted = time
        if attempt > 1 and entry.answers:
            self.redelivered += 1
            return
        entry.answers += 1
        if entry.answered is None or time < entry.answered:
            entry.answered = time
            entry.code, entry.version, entry.outputs = said

    @property
    def accepted(self) -> int:
        """How many were accepted, as far as is known."""
        return sum(entry.accepted is not None for entry in self.entries.values())

    @property
    def unexpected(self) -> list[str]:
        """Ids that were answered and that nobody asked."""
        return list(self._early)

    def waits_for(self, before: float, abandoned: Iterable[str] = ()) -> bool:
        """Whether an ordinary request is open that was accepted before that time, by somebody who still lives."""
        gone = set(abandoned)
        oldest = (e for e in self.open.values() if e.ordinary and e.asker not in gone)
        return any(entry.accepted is not None and entry.accepted < before for entry in oldest)

    def recent(self, count: int = 20_000) -> list[Entry]:
        """Those asked last."""
        return list(itertools.islice(reversed(self.entries.values()), count))

    def codes(self) -> Counter[str]:
        """How the ordinary requests ended."""
        return Counter(entry.code for entry in self.entries.values() if entry.answers and entry.ordinary)
