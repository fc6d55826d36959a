"""`python -m faults.chaos`: what `make chaos` runs. The exit code is 0 if every promise was kept."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from faults.chaos.controls import CONTROLS
from faults.chaos.driver import run
from faults.chaos.engines import ENGINES
from faults.chaos.outcome import Outcome, Plan
from faults.chaos.report import as_json, as_markdown, as_text
from faults.chaos.system import Size

__all__: list[str] = []


def main() -> int:
    """Run, tell, and say by the exit code whether all was well."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # through every `finally`: nothing is left
    given = _arguments()
    control = CONTROLS[given.control] if given.control else None
    size = Size(given.workers, given.runners, given.share_below, rate=given.rate)
    plan = Plan(
        given.engine,
        seed=given.seed,
        minutes=given.minutes,
        requests=given.requests,
        faults=given.faults,
        control=given.control,
        size=size,
        only=given.only,
    )
    with tempfile.TemporaryDirectory(prefix="predictq-chaos-") as directory:
        outcome = run(plan, Path(given.keep or directory), tell=_say)
    _say(as_text(outcome))
    if given.report:
        _write(outcome, Path(given.report))
    if control is not None:
        return 0 if getattr(outcome.audit, control.shows) else 1
    return 1 if outcome.failures else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _write(outcome: Outcome, stem: Path) -> None:
    stem.with_suffix(".json").write_text(as_json(outcome))
    stem.with_suffix(".md").write_text(as_markdown(outcome))
    _say(f"written: {stem.with_suffix('.json')}, {stem.with_suffix('.md')}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description="Harm a running system, and count what it costs.")
    parser.add_argument("--engine", choices=ENGINES, default="sqlite")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=0.0, help="how long at least")
    parser.add_argument("--requests", type=int, default=100_000, help="accepted requests at least")
    parser.add_argument("--faults", type=int, default=200, help="faults at least")
    parser.add_argument("--control", choices=("", *CONTROLS), default="", help="take a safeguard away: must fail")
    parser.add_argument("--only", action="append", default=[], metavar="FAULT", help="draw from these; may be repeated")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--runners", type=int, default=2)
    parser.add_argument("--share-below", type=int, default=0, metavar="BYTES", help="small releases share a process")
    parser.add_argument("--rate", type=float, default=1000.0, help="requests a second, all producers together")
    parser.add_argument("--report", default="", metavar="STEM", help="write STEM.json and STEM.md")
    parser.add_argument("--keep", default="", metavar="DIRECTORY", help="leave journals and logs there")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
