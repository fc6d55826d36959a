"""What the nursery imports before it forks, so that a runner stands in milliseconds and shares these pages."""

import gc
import importlib
from typing import Final

__all__ = ["preload"]

_OURS: Final = (
    "predictq_worker.runner.process",
    "predictq_registry.inputs.kinds",
    "predictq_registry.outputs",
    "predictq_registry.runtimes.joblib",
    "predictq_registry.trial",
    "predictq_registry.trust",
)
_THEIRS: Final = (
    "numpy",
    "pandas",
    "scipy.sparse",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "joblib",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.feature_extraction.text",
    "sklearn.impute",
    "sklearn.linear_model",
    "sklearn.naive_bayes",
    "sklearn.neighbors",
    "sklearn.neural_network",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "sklearn.svm",
    "sklearn.tree",
)


def preload() -> None:
    """Import; what is not installed is not missed before a release needs it. Nothing here starts a thread."""
    gc.disable()  # what is imported stays: a tenth of the time goes into looking through it again and again
    for name in _OURS:
        importlib.import_module(name)
    for name in _THEIRS:
        _import_if_there(name)
    gc.enable()
    gc.collect()
    gc.freeze()  # the collector would touch, and so copy, every shared page


def _import_if_there(name: str) -> None:
    try:
        importlib.import_module(name)
    except ImportError:
        return
