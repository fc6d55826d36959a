"""A progress bar on stderr, for inputs long enough to wait for and only where somebody can see it."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator

    from predictq_cli.results_out import Tally
    from predictq_cli.rows import Source

__all__ = ["watched"]

_LONG: Final = 256 << 10
"""Bytes of input from which on there is something to watch."""


@contextmanager
def watched(source: Source, tally: Tally) -> Generator[None]:
    """Show how far the asking is while the block runs."""
    if source.size < _LONG or not sys.stderr.isatty():
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=_show, args=(source, tally, stop), name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _show(source: Source, tally: Tally, stop: threading.Event) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (BarColumn(), TextColumn("{task.fields[rows]:,} rows"), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        count = len(source.rows) if hasattr(source.rows, "__len__") else 0
        task = progress.add_task("", total=count or source.size, rows=0)
        while not stop.wait(0.1):
            progress.update(task, completed=tally.rows if count else source.read(), rows=tally.rows)
