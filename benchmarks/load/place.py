"""Where a contender's processes find each other: told by environment variables."""

import os
from typing import Any

__all__ = ["broker", "kept", "model_name", "models", "port", "the_model"]


def broker() -> str:
    """The URL of the server that this turn has for itself."""
    return os.environ["BENCH_BROKER"]


def port() -> int:
    """A free port of the loopback, for a contender that listens on one."""
    return int(os.environ["BENCH_PORT"])


def kept() -> str:
    """A folder for what is made before the first turn, and stays for the others."""
    return os.environ["BENCH_KEPT"]


def model_name() -> str:
    """Which of `load.models`."""
    return os.environ["BENCH_MODEL"]


def models() -> int:
    """Under how many names it is served, `bench-0`, `bench-1` …; 0: under one, `bench`."""
    return int(os.environ.get("BENCH_MODELS", "0"))


def the_model() -> Any:  # noqa: ANN401  scikit-learn ships no types
    """That model, trained."""
    from load.models import train

    return train(model_name())
