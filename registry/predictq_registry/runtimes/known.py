"""Which runtimes there are: ours, and those that installed packages bring."""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from predictq_registry.errors import InvalidRelease
from predictq_registry.runtimes.runtime import Runtime

__all__ = ["DEFAULT", "runtime_for", "runtime_named"]

DEFAULT: Final = "joblib"
_GROUP: Final = "predictq.runtimes"
_OURS: Final[Mapping[str, str]] = {
    "onnx": "onnx:Onnx",
    "xgboost": "xgboost:XGBoost",
    "lightgbm": "lightgbm:LightGBM",
    "catboost": "catboost:CatBoost",
    "skops": "skops:Skops",
    "joblib": "joblib:Joblib",
    "mlflow": "mlflow:MLflow",
}
"""By name, in the order of safety: module here, and class."""


def runtime_named(name: str) -> Runtime:
    """The runtime that a manifest or `--format` names.

    Raises:
        InvalidRelease: if there is none of that name here.
    """
    if name in _OURS:
        module, _, kind = _OURS[name].partition(":")
        found: type[Runtime] = getattr(import_module(f"predictq_registry.runtimes.{module}"), kind)
        return found()
    for entry in entry_points(group=_GROUP, name=name):
        brought: type[Runtime] = entry.load()
        return brought()
    there = [*_OURS, *sorted(entry_points(group=_GROUP).names - set(_OURS))]
    raise InvalidRelease(f"the runtime {name[:40]!r} is not known here; known are {', '.join(there)}")


def runtime_for(path: Path) -> Runtime:
    """The runtime that reads the file or folder at `path`: by its ending, never by looking inside."""
    if path.is_dir():
        return runtime_named("mlflow")
    runtimes = (runtime_named(name) for name in [*_OURS, *sorted(entry_points(group=_GROUP).names)])
    return next((found for found in runtimes if path.suffix.lower() in found.endings), runtime_named(DEFAULT))
