"""A virtual environment for each peer, made once under `.bench/`; what cannot be installed is said in the table."""

import subprocess
import sys
from pathlib import Path

from servers.served import Missing

__all__ = ["OWN", "ROOT", "WORKSHOP", "install", "python_of", "versions"]

OWN = "predictq"
"""The environment of whoever runs the benchmark."""
ROOT = Path(__file__).parent.resolve()
WORKSHOP = ROOT.parent / ".bench"
_REQUIREMENTS = ROOT / "requirements"


def python_of(name: str) -> str:
    """Its interpreter; made now if it is not there.

    Raises:
        Missing: if it could not be installed; tried again when its requirements change, or `.bench/` is removed.
    """
    if name == OWN:
        return sys.executable
    folder, wanted = WORKSHOP / name, (_REQUIREMENTS / f"{name}.txt").read_text()
    stamp, failed = folder / "installed.txt", folder / "failed.txt"
    for done in (stamp, failed):
        if done.exists() and done.read_text().startswith(wanted):
            break
    else:
        install(name, wanted)
    if failed.exists():
        raise Missing(f"cannot be installed: {failed.read_text().removeprefix(wanted).strip()}")
    return str(folder / "bin" / "python")


def install(name: str, wanted: str) -> None:
    """Make the environment, or write down why not."""
    print(f"installing {name}; this takes a minute, once", file=sys.stderr)
    folder = WORKSHOP / name
    folder.mkdir(parents=True, exist_ok=True)
    for old in ("installed.txt", "failed.txt"):
        (folder / old).unlink(missing_ok=True)
    requirements = str(_REQUIREMENTS / f"{name}.txt")
    steps = (
        [sys.executable, "-m", "venv", str(folder)],
        [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "-r", requirements],
    )
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)  # noqa: S603  our own
        if done.returncode:
            (folder / "failed.txt").write_text(wanted + _last_error(done.stderr))
            return
    (folder / "installed.txt").write_text(wanted)


def _last_error(text: str) -> str:
    errors = [line for line in text.splitlines() if line.lower().startswith("error")]
    return (errors or text.splitlines() or ["it said nothing"])[-1]


def versions(name: str) -> str:
    """Of the packages that a requirements file names, as it pins them."""
    lines = (_REQUIREMENTS / f"{name}.txt").read_text().splitlines()
    return ", ".join(line.replace("==", " ") for line in lines if line and not line.startswith("#"))
