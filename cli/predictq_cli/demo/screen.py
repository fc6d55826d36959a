"""What is seen while the demo runs: one line a step, and a living line where a terminal is."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from rich.text import Text

    from predictq_cli.demo.phase import Figures

__all__ = ["Screen"]

_BAR: Final = 24


class Screen:
    """Steps go to stdout, or to stderr when stdout is for JSON. Without a terminal there are only plain lines."""

    def __init__(self, *, to_stderr: bool) -> None:
        from rich.console import Console
        from rich.live import Live

        stream = sys.stderr if to_stderr else sys.stdout
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._live = Live(console=self._console, transient=True, auto_refresh=False) if stream.isatty() else None
        self._number = 0
        self._said = time.monotonic()

    def step(self, name: str, text: str) -> None:
        """The next step: what is done, and why it matters."""
        from rich.text import Text

        self._number += 1
        line = Text.assemble((f"{self._number:2} ", "dim"), (f"{name:<8}", "bold cyan"), text)
        self._console.print(line)

    def detail(self, text: str, *, good: bool = True) -> None:
        """What came of the step."""
        from rich.text import Text

        self._console.print(Text.assemble(" " * 11, (text, "green" if good else "bold red")))

    def show(self, figures: Figures) -> None:
        """How the load goes, now."""
        if self._live is not None:
            self._live.update(_moving(figures), refresh=True)
        elif time.monotonic() - self._said >= 1.0:
            self._said = time.monotonic()
            self._console.print(f"{'':11}{_still(figures)}")

    def quiet(self) -> None:
        """Take the living line away."""
        if self._live is not None:
            self._live.update("", refresh=True)

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()


def _still(figures: Figures) -> str:
    versions = ", ".join(f"version {version}: {count:,}" for version, count in figures["versions"].items())
    return (
        f"{figures['answered']:,} answered, {figures['per_second']:,.0f}/s, "
        f"{figures['failed']} failed, {figures['wrong']} wrong ({versions or 'none yet'})"
    )


def _moving(figures: Figures) -> Text:
    from rich.text import Text

    new = figures["versions"].get("2", 0)
    width = round(_BAR * new / max(figures["answered"], 1))
    bar = (("█" * (_BAR - width), "yellow"), ("█" * width, "green"))
    return Text.assemble(" " * 11, *bar, f"  {_still(figures)}")
