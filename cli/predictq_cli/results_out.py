"""Where outputs go: lines on stdout, or a file that appears when it is complete."""

from __future__ import annotations

import csv
import os
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from predictq_cli.exits import Exit, Stop
from predictq_cli.output import json_line, plain, write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import TextIO

    from predictq import Prediction

__all__ = ["Sink", "Tally", "check_target", "open_sink"]

ENDINGS: Final = (".csv", ".json", ".jsonl", ".ndjson")


class Tally:
    """What came back so far."""

    def __init__(self) -> None:
        self.rows = 0
        self.versions: Counter[int] = Counter()
        self.digests: dict[int, str] = {}

    def add(self, prediction: Prediction, rows: int) -> None:
        """One chunk more."""
        self.rows += rows
        self.versions[prediction.version] += rows
        self.digests[prediction.version] = prediction.digest

    def told(self) -> str:
        """In a few words, with the release that answered."""
        releases = ", ".join(f"version {version} ({count} rows)" for version, count in self.versions.items())
        return f"{self.rows} rows" + (f", answered by {releases}" if len(self.versions) > 1 else _only(self))


def _only(tally: Tally) -> str:
    return "".join(f" answered by version {version} ({tally.digests[version][:19]})" for version in tally.versions)


class Sink(Protocol):
    """Takes outputs in the order of the rows."""

    def put(self, first: int, outputs: Sequence[Any], prediction: Prediction) -> None:
        """The outputs of the rows from number `first` on."""
        ...

    def close(self, tally: Tally) -> None:
        """All is there."""
        ...


def check_target(output: Path | None) -> None:
    """Complain about a target before anything is asked."""
    if output is None:
        return
    if output.suffix.lower() not in ENDINGS:
        raise Stop(Exit.USAGE, f"--output {str(output)!r}: the name must end in {', '.join(ENDINGS)}")
    if not output.absolute().parent.is_dir():
        raise Stop(Exit.USAGE, f"--output {str(output)!r}: there is no folder {str(output.parent)!r}")


def open_sink(output: Path | None, *, json: bool) -> Sink:
    """The sink for `--output` and `--json`."""
    if output is None:
        return _JsonLines(write_bytes) if json else _Lines()
    return _File(output)


class _Lines:
    """One output a line, for people and for `paste`."""

    def put(self, first: int, outputs: Sequence[Any], prediction: Prediction) -> None:
        del first, prediction
        write_bytes(b"".join(_line(output) for output in outputs))

    def close(self, tally: Tally) -> None:
        """Nothing is left to write."""


def _line(output: object) -> bytes:
    return f"{plain(output)}\n".encode(errors="replace") if isinstance(output, str) else json_line(output)


class _JsonLines:
    """One JSON object a row."""

    def __init__(self, to: Callable[[bytes], object]) -> None:
        self._to = to

    def put(self, first: int, outputs: Sequence[Any], prediction: Prediction) -> None:
        version = prediction.version
        rows = enumerate(outputs, first)
        self._to(b"".join(json_line({"row": row, "output": output, "version": version}) for row, output in rows))

    def close(self, tally: Tally) -> None:
        """Nothing is left to write."""


class _File:
    """A file in the form its name ends in. It is written as `.part`, so that a name without it means complete."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._file = self._part.open("w", encoding="utf-8", newline="")
        self._form = _form(path.suffix.lower(), self._file)

    def put(self, first: int, outputs: Sequence[Any], prediction: Prediction) -> None:
        self._form.put(first, outputs, prediction)
        self._file.flush()

    def close(self, tally: Tally) -> None:
        self._form.close(tally)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self._path)


def _form(ending: str, file: TextIO) -> Sink:
    match ending:
        case ".csv":
            return _Csv(file)
        case ".json":
            return _Json(file)
        case _:
            return _JsonLines(partial(_write_text, file))


def _write_text(file: TextIO, data: bytes) -> None:
    file.write(data.decode())


class _Csv:
    """A column for the row's number, one or more for its output, one for the version."""

    def __init__(self, file: TextIO) -> None:
        self._writer = csv.writer(file)
        self._begun = False

    def put(self, first: int, outputs: Sequence[Any], prediction: Prediction) -> None:
        for row, output in enumerate(outputs, first):
            cells = output if isinstance(output, list) else [output]
            self._begin(len(cells), several=isinstance(output, list))
            self._writer.writerow([row, *map(_cell, cells), prediction.version])

    def _begin(self, width: int, *, several: bool) -> None:
        if not self._begun:
            names = [f"output_{place}" for place in range(width)] if several else ["output"]
            self._writer.writerow(["row", *names, "version"])
            self._begun = True

    def close(self, tally: Tally) -> None:
        """Nothing is left to write."""


def _cell(value: object) -> object:
    return json_line(value).decode().strip() if isinstance(value, (list, dict)) else value


class _Json:
    """One document: the outputs, and which releases made them. It is held until it is complete."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._outputs: list[Any] = []

    def put(self, first: int, outputs: Sequence[Any], prediction: Prediction) -> None:
        del first, prediction
        self._outputs += outputs

    def close(self, tally: Tally) -> None:
        document = {
            "rows": tally.rows,
            "releases": {str(version): tally.digests[version] for version in tally.versions},
            "outputs": self._outputs,
        }
        self._file.write(json_line(document).decode())
