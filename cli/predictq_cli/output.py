"""What is printed: results and tables on stdout, remarks on stderr, and nothing that could move a cursor."""

import os
import sys
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Final

from predictq_cli.exits import ReaderGone

__all__ = ["bytes_of", "json_line", "plain", "remark", "table", "write", "write_bytes", "write_json"]

_UNBOUNDED: Final = 10_000
"""Columns of a table that no terminal shows: nothing is cut where a program may read it."""


def write(text: str) -> None:
    """One line of results on stdout, at once."""
    write_bytes(text.encode(errors="replace") + b"\n")


def write_bytes(data: bytes) -> None:
    """`data` on stdout as it is, at once.

    Raises:
        ReaderGone: if nobody reads it any more.
    """
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        _forget_stdout()
        raise ReaderGone from error


def _forget_stdout() -> None:
    """Python flushes stdout when it ends, and would complain then."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def remark(text: str) -> None:
    """One line for a person, on stderr."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201  a command's business is to print


def json_line(value: object) -> bytes:
    """`value` as one line of JSON; a float that JSON has no word for becomes null."""
    import orjson

    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY, default=str)


def write_json(document: object) -> None:
    """`document` on stdout, for programs."""
    import orjson

    write_bytes(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_INDENT_2, default=str))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table for people: as wide as the terminal, or as wide as it needs to be where there is none."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(plain(cell)) for cell in row))
    terminal = sys.stdout.isatty()
    console = Console(
        file=StringIO(),
        width=None if terminal else _UNBOUNDED,
        force_terminal=terminal,
        no_color=not terminal,
        highlight=False,
        markup=False,
    )
    with console.capture() as capture:
        console.print(drawn)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def plain(value: object) -> str:
    """`value` on one line, without characters that do something to a terminal instead of showing on it."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value))


def bytes_of(count: float) -> str:
    """A size for people: `312 B`, `4.1 kB`, `12.0 MB`."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
