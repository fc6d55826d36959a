"""`python benchmarks [ONLY=…] [WHO=…] [SECONDS=…] [ROUNDS=…] [QUICK=1] [FRESH=1]` writes docs/benchmarks."""

import fcntl
import resource
import shutil
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

from environments import ROOT, WORKSHOP
from machine import BENCHMARK, PRODUCT, about, digest
from measurements import PARTS, Case, Part
from options import Options
from report.writing import write
from servers.served import Missing
from store import Done, Store
from turn import begin


def main() -> None:
    """Take the turns that are not done yet; write the report after each part."""
    options = Options.parse(sys.argv[1:])
    unknown = set(options.only) - {part.name for part in PARTS}
    if unknown:
        raise SystemExit(f"no such part: {', '.join(unknown)}; there are: {', '.join(part.name for part in PARTS)}")
    _allow_many_files()
    with workshop():
        measure(options)


def measure(options: Options) -> None:
    """Part by part."""
    belongs_to = {"product": digest(PRODUCT), "benchmark": digest(BENCHMARK), **options.told()}
    store = Store(WORKSHOP / "run.jsonl", {"belongs_to": belongs_to, "machine": about()}, fresh=options.fresh)
    for part in PARTS:
        if not options.only or part.name in options.only:
            run(part, options, store)
            write(store, ROOT.parent / "docs" / "benchmarks")


@contextmanager
def workshop() -> Generator[None]:
    """The folder where everything is made, for one run at a time; what a run that was killed has left is removed."""
    WORKSHOP.mkdir(exist_ok=True)
    (WORKSHOP / ".gitignore").write_text("*\n")
    with (WORKSHOP / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"another run is under way in {WORKSHOP}") from None
        for left in WORKSHOP.glob("turn-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


def _allow_many_files() -> None:
    """Four thousand requests on their way are four thousand connections for some peers."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def run(part: Part, options: Options, store: Store) -> None:
    """In turns: every case once, and again."""
    cases = [case for case in part.cases(options) if options.wants(case.contender.name)]
    for number in range(1, min(options.rounds, part.rounds) + 1):
        for case in cases:
            if number <= case.rounds and not store.has(part.name, case.contender.name, case.label, number):
                store.add(take(part, case, number))


def take(part: Part, case: Case, number: int) -> Done:
    """One turn; what is missing is written down, not left out."""
    began = time.monotonic()
    print(f"{part.name} {number}: {case.contender.name} {case.label}".rstrip(), end=" … ", file=sys.stderr, flush=True)
    figures, missing = None, ""
    try:
        with begin(case.contender, case.model) as turn:
            figures = case.measure(turn)
    except Missing as error:
        missing = str(error)
    except Exception as error:  # noqa: BLE001  one contender's trouble does not end an hour's run
        missing = f"{type(error).__name__}: {error}"
    took = time.monotonic() - began
    print(f"{took:.0f} s {missing}", file=sys.stderr)
    return Done(part.name, case.contender.name, case.label, number, figures, missing, round(took, 1))


if __name__ == "__main__":
    main()
