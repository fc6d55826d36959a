"""Where rows come from, and what can be told about how far we are."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from predictq_cli.exits import Exit, Stop
from predictq_cli.rows import readers
from predictq_cli.rows.csv_rows import CsvForm, csv_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["FORMATS", "Source", "open_rows"]

FORMATS: Final = ("csv", "tsv", "json", "jsonl", "parquet", "npy", "txt")
_SUFFIXES: Final = {".ndjson": "jsonl", ".pq": "parquet"}
_MEMORY: Final = 32 << 20
"""Bytes of a pipe held in memory; more goes through a temporary file."""


class Source(NamedTuple):
    """Rows to be asked about.

    Attributes:
        rows: What the client takes: a list, an array, or an iterator over rows.
        read: Bytes read so far.
        size: Bytes there are; 0 if there is nothing to wait for.
    """

    rows: Any
    read: Callable[[], int]
    size: int


@contextmanager
def open_rows(text: str, form: str | None, csv_form: CsvForm) -> Generator[Source]:
    """The rows in `text`: JSON as it stands, the name of a file, or `-` for standard input.

    Args:
        text: What was given on the command line.
        form: One of `FORMATS`; None to go by the file's ending, or by how a pipe begins.
        csv_form: How a CSV file is to be read.

    Raises:
        Stop: with a sentence that says what cannot be read, and where.
    """
    if form is not None and form not in FORMATS:
        raise Stop(Exit.USAGE, f"--format {form!r} is not known; known are {', '.join(FORMATS)}")
    if text.lstrip()[:1] in {"[", "{"}:
        yield Source(readers.inline(text), lambda: 0, 0)
        return
    with _opened(text) as file:
        name = "standard input" if text == "-" else text
        size = file.seek(0, 2)
        file.seek(0)
        rows = _rows(file, name, form or _form(text, file), csv_form)
        yield Source(rows, file.tell, size)


def _opened(text: str) -> IO[bytes]:
    if text != "-":
        path = Path(text)
        if not path.is_file():
            raise Stop(Exit.USAGE, f"there is no file {text!r}; rows are written as JSON: '[[5.1, 3.5, 1.4, 0.2]]'")
        return path.open("rb")
    spool = tempfile.SpooledTemporaryFile(max_size=_MEMORY)  # noqa: SIM115  the caller's `with` closes it
    shutil.copyfileobj(sys.stdin.buffer, spool)
    return spool


def _form(text: str, file: IO[bytes]) -> str:
    if text == "-":
        return _sniffed(file)
    suffix = Path(text).suffix.lower()
    form = _SUFFIXES.get(suffix, suffix.removeprefix("."))
    if form in FORMATS:
        return form
    raise Stop(
        Exit.USAGE, f"{text}: the ending {suffix!r} is not known; say which --format it is: {', '.join(FORMATS)}"
    )


def _sniffed(file: IO[bytes]) -> str:
    """A pipe has no ending, but most forms have a beginning of their own."""
    head = file.read(4096).lstrip()
    file.seek(0)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if head.startswith((b"{", b'"')):
        return "jsonl"
    if head.startswith(b"["):
        return "json" if head[1:].lstrip()[:1] in {b"[", b"{", b'"', b"]", b""} else "jsonl"
    return "csv"


def _rows(file: IO[bytes], name: str, form: str, csv_form: CsvForm) -> object:
    if form in {"csv", "tsv"}:
        return csv_rows(file, name, csv_form if form == "csv" else csv_form._replace(delimiter="\t"))
    return _READERS[form](file, name)


_READERS: Final[dict[str, Callable[[IO[bytes], str], object]]] = {
    "json": lambda file, name: readers.document(file.read(), name),
    "jsonl": readers.json_lines,
    "txt": readers.text_lines,
    "parquet": readers.parquet,
    "npy": readers.array,
}
