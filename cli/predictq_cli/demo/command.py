"""`predictq demo`: the command."""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from predictq_cli.exits import Exit
from predictq_cli.options import BROKER_ENV, Json
from predictq_cli.output import remark, write, write_json

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["EXAMPLE", "demo"]

EXAMPLE = "Examples: predictq demo\n\npredictq demo --broker redis://localhost:6379/0 --seconds 10"

_EXAMPLE_FILE: Final = Path("examples", "publish_iris.py")


def _next_steps() -> str:
    """Three commands that work as they stand, here: in a checkout with its example, elsewhere with one's own model."""
    beside = Path(sys.executable).parent
    on_path = shutil.which("predictq") is not None
    command = "predictq" if on_path else str(_from_here(beside / "predictq"))
    if _EXAMPLE_FILE.exists():
        publish = f"{'python' if on_path else _from_here(beside / 'python')} {_EXAMPLE_FILE}"
    else:
        publish = f"{command} publish iris iris.joblib --sample iris.csv --alias production   # a model of yours"
    ask = f"{command} predict iris '[[5.1, 3.5, 1.4, 0.2]]'   # in another terminal"
    return f"try next:\n  {publish}\n  {command} worker\n  {ask}"


def _from_here(path: Path) -> Path:
    """The path as it is typed in this folder, if it lies within."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def demo(
    *,
    broker: Annotated[
        str | None,
        typer.Option("--broker", envvar=BROKER_ENV, metavar="URL", help="A Redis server; embedded SQLite if left out."),
    ] = None,
    seconds: Annotated[float, typer.Option(metavar="S", min=0.5, max=3600, help="How long the steady load lasts.")] = 4,
    in_flight: Annotated[
        int, typer.Option(metavar="N", min=1, max=16384, help="Requests on their way at once.")
    ] = 2048,
    json: Json = False,
) -> int:
    """See it work: train, publish, serve, ask, swap the release under load, and check every answer.

    Needs no files and leaves none. On a Redis server it uses a model name of its own and removes it again.
    """
    from predictq_cli.demo.place import open_place
    from predictq_cli.demo.screen import Screen
    from predictq_cli.demo.story import Pace, tell

    signal.signal(signal.SIGTERM, _interrupt)
    with open_place(broker) as place, Screen(to_stderr=json) as screen:
        report = tell(place, screen, Pace(seconds, in_flight))
    if json:
        write_json(report.document())
    else:
        write(f"\n{report.text()}\n\n{_next_steps()}")
    if not report.ok:
        remark(f"predictq demo: {report.failed} failed, {report.wrong} wrong: {report.complaint}")
    return Exit.OK if report.ok else Exit.FAILED


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM ends the demo as Ctrl-C does: everything it started is stopped, everything it made is removed."""
    raise KeyboardInterrupt
