"""The turns that are done, one line each: a run that was interrupted goes on where it was."""

import json
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Done", "Store"]


class Done(NamedTuple):
    """One turn.

    Attributes:
        part: Which measurement.
        contender: Who.
        case: What was varied; empty: nothing.
        round: From 1.
        figures: What came of it; None: nothing, see `missing`.
        missing: Why there are no figures.
        took: Seconds, with all that had to be started and ended.
    """

    part: str
    contender: str
    case: str
    round: int
    figures: Any
    missing: str = ""
    took: float = 0.0


class Store:
    """A file whose first line says what all others belong to; another state of things begins it anew."""

    def __init__(self, file: Path, belongs_to: dict[str, Any], *, fresh: bool) -> None:
        self._file = file
        lines = [line for line in file.read_text().splitlines() if line] if file.exists() and not fresh else []
        if not lines or json.loads(lines[0])["belongs_to"] != belongs_to["belongs_to"]:
            lines = [json.dumps(belongs_to)]
            file.write_text(lines[0])
        self.about: dict[str, Any] = json.loads(lines[0])
        turns = [turn for line in lines[1:] if (turn := _turn(line)) is not None]
        self.done = list({turn[:4]: turn for turn in turns}.values())  # the last word on each counts

    def has(self, part: str, contender: str, case: str, number: int) -> bool:
        """Whether this turn is done; one that failed is tried again."""
        wanted = (part, contender, case, number)
        return any(turn[:4] == wanted and not turn.missing for turn in self.done)

    def add(self, turn: Done) -> None:
        """On the disk when this returns; it takes the place of an earlier failure."""
        self.done = [earlier for earlier in self.done if earlier[:4] != turn[:4]] + [turn]
        with self._file.open("a") as file:
            file.write("\n" + json.dumps(turn._asdict()))  # a line of its own, after whatever a kill has left


def _turn(line: str) -> Done | None:
    """None: it was cut short by the kill that interrupted the run."""
    try:
        return Done(**json.loads(line))
    except ValueError:
        return None
