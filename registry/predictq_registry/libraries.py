"""The versions of what a model was made with, and how this process differs."""

import sys
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

__all__ = ["differences", "libraries_of"]

_PYTHON: Final = ".".join(map(str, sys.version_info[:3]))
_ALWAYS: Final = ("scikit-learn", "numpy", "pandas", "joblib")
_DISTRIBUTIONS: Final = {"sklearn": "scikit-learn"}


def libraries_of(estimator: object, more: Iterable[str] = ()) -> dict[str, str]:
    """Python, the libraries every model may stand on, the one the estimator's class comes from, and `more`."""
    package = type(estimator).__module__.partition(".")[0]
    names = dict.fromkeys((*_ALWAYS, _DISTRIBUTIONS.get(package, package), *more))
    found = {name: _installed(name) for name in names}
    return {"python": _PYTHON} | {name: text for name, text in found.items() if text}


def differences(libraries: Mapping[str, str]) -> list[str]:
    """What differs here from `libraries`, as `scikit-learn 1.5.0 → 1.9.1`."""
    here = {name: _PYTHON if name == "python" else _installed(name) for name in libraries}
    return [
        f"{name} {there} → {here[name] or 'not installed'}" for name, there in libraries.items() if here[name] != there
    ]


@cache
def _installed(distribution: str) -> str | None:
    """As it was when this process first asked, which is about when it was imported."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except (PackageNotFoundError, ValueError):
        return None
