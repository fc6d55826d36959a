"""The models that serve while faults happen. They are pickled by name, so runners find this module too."""

import os
import resource
import signal
import time
from typing import Any

import numpy as np
from faults.chaos.questions import HUNGRY, LONG, POISON

__all__ = ["Moody", "Touchy"]


class Touchy:
    """Answers as the model it wraps, until a row harms it; slow enough to be caught at work."""

    def __init__(self, model: Any, thinks: float = 0.01) -> None:
        self.model = model
        self.thinks = thinks

    def predict(self, rows: Any) -> Any:
        time.sleep(self.thinks)
        first = np.asarray(rows)[:, 0]
        if (first == POISON).any():
            os.kill(os.getpid(), signal.SIGSEGV)
        if (first == LONG).any():
            time.sleep(3600)
        if (first == HUNGRY).any():
            _eat()
        return self.model.predict(rows)


def _eat() -> None:
    """Take memory until something stops us: the kernel, in a memory cgroup; or else a limit of our own."""
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()  # noqa: PTH123, SIM115
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), resource.RLIM_INFINITY))
    eaten: list[bytearray] = []
    while True:
        eaten.append(bytearray(os.urandom(1 << 12) * (1 << 12)))


class Moody:
    """Predicts otherwise in every process: its golden rows disagree, so no worker may serve it."""

    def __init__(self) -> None:
        self.n_features_in_ = 4

    def predict(self, rows: Any) -> Any:
        return np.full(len(rows), os.getpid())
