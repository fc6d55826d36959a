"""A model that a certain input kills, as a segmentation fault in its C code would."""

import os
import signal
from typing import Any

import numpy as np

__all__ = ["POISON", "Deadly"]

POISON = [666.0, 666.0, 666.0, 666.0]


class Deadly:
    """Answers as the model it wraps, until it sees the poison."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, rows: Any) -> Any:
        if (np.asarray(rows) == POISON[0]).any():
            os.kill(os.getpid(), signal.SIGSEGV)
        return self.model.predict(rows)
