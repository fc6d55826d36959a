"""Which versions are installed here."""

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from predictq_cli.doctor.finding import Finding, fine, remarkable, wrong

__all__ = ["look_at_versions"]

_PART: Final = "versions"
_NEEDED: Final = (3, 11)
_PACKAGES: Final = ("redis", "hiredis", "orjson", "scikit-learn", "numpy", "pandas", "pyarrow")


def look_at_versions() -> Iterator[Finding]:
    """Python and the packages that matter here."""
    if sys.version_info[:2] < _NEEDED:
        yield wrong(_PART, f"Python {platform.python_version()} is too old", "use Python 3.11 or newer")
    found = {name: _installed(name) for name in _PACKAGES}
    told = ", ".join(f"{name} {number or 'not installed'}" for name, number in found.items())
    yield fine(_PART, f"Python {platform.python_version()}, {told}")
    if not found["hiredis"]:
        yield remarkable(_PART, "redis-py parses replies in Python, several times slower", "pip install hiredis")


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
