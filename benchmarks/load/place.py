"""Where a contender's processes find each other: told by environment variables."""

import os
from typing import Any

__all__ = ["broker", "folder", "model_name", "port", "the_model"]


def broker() -> str:
    """The URL of the server that this turn has for itself."""
    return os.environ["BENCH_BROKER"]


def port() -> int:
    """A free port of the loopback, for a contender that listens on one."""
    return int(os.environ["BENCH_PORT"])


def folder() -> str:
    """For files; empty at the start of the turn."""
    return os.environ["BENCH_FOLDER"]


def model_name() -> str:
    """Which of `load.models`."""
    return os.environ["BENCH_MODEL"]


def the_model() -> Any:  # noqa: ANN401  scikit-learn ships no types
    """That model, trained."""
    from load.models import train

    return train(model_name())
