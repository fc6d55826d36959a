"""What the figures were measured on, and what of."""

import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["BENCHMARK", "PRODUCT", "about", "digest"]

PRODUCT = ("broker", "producer", "worker", "registry", "cli")
"""The folders of predictq's code."""
BENCHMARK = tuple(f"benchmarks/{part}" for part in ("contenders", "load", "measurements", "peers", "requirements"))
"""… and of what decides what is measured, and how; not of the report, which can be written anew."""
_ROOT = Path(__file__).parents[1]


def about() -> dict[str, Any]:
    """The machine, in the words of its system."""
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": _commit(),
        "processor": _field(Path("/proc/cpuinfo"), "model name"),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)),
        "system": f"{platform.freedesktop_os_release().get('PRETTY_NAME', 'Linux')}, kernel {platform.release()}",
        "python": platform.python_version(),
        "redis": _version("redis-server", "--version"),
        "rabbitmq": _version("dpkg-query", "-W", "-f", "${Version}", "rabbitmq-server"),
        "load_at_start": round(os.getloadavg()[0], 1),
    }


def _field(file: Path, name: str) -> str:
    lines = file.read_text().splitlines() if file.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "unknown")


def _version(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return "not there"
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  no input of a user
    words = done.stdout.split()
    return next((word.removeprefix("v=") for word in words if word.removeprefix("v=")[:1].isdigit()), "not there")


def _commit() -> str:
    """What is checked out, and whether it was changed since; empty: there is no git."""
    if shutil.which("git") is None:
        return ""
    command = ("git", "-C", str(_ROOT), "describe", "--always", "--dirty", "--exclude", "*")
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603  as above


@cache
def digest(parts: Sequence[str]) -> str:
    """Of the code in these folders: figures of another state are never mixed with these."""
    found = hashlib.sha256()
    for part in parts:
        for file in sorted((_ROOT / part).rglob("*")):
            if file.suffix in {".py", ".lua", ".sql", ".txt"}:
                found.update(file.relative_to(_ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return found.hexdigest()[:16]
