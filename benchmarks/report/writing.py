"""What is written into docs/benchmarks: tables, plots, and the raw figures."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from environments import ROOT, python_of
from servers.served import Missing
from store import Store

from report.page import page
from report.results import Results

__all__ = ["write"]


def write(store: Store, folder: Path) -> None:
    """`results.json`, `results.md` that is made of it, and the plots, if their environment can be installed."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = folder / "results.json"
    about = {"machine": store.about["machine"], **store.about["belongs_to"]}
    lines = ",\n".join(json.dumps(_rounded(turn._asdict())) for turn in store.done)
    raw.write_text(f'{{"about": {json.dumps(about)},\n"turns": [\n{lines}\n]}}\n')
    plots = _plot(raw, folder)
    (folder / "results.md").write_text(page(Results(store.done), about, plots))


def _rounded(value: Any) -> Any:  # noqa: ANN401  JSON
    """To the digits that a measurement has."""
    match value:
        case dict():
            return {name: _rounded(inner) for name, inner in value.items()}
        case float():
            return float(f"{value:.5g}")
        case _:
            return value


def _plot(raw: Path, folder: Path) -> list[str]:
    try:
        command = [python_of("report"), "-m", "report.plots", str(raw.resolve()), str(folder.resolve())]
    except Missing as error:
        print(f"no plots: {error}", file=sys.stderr)
        return []
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603  our own
    if done.returncode:
        print(f"no plots: {done.stderr[-500:]}", file=sys.stderr)
    return done.stdout.split()
