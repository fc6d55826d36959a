"""A model that is well where it is published, and ill wherever else it is loaded: in a worker's runner, that is."""

import os
import signal
import time
from typing import Any

import numpy as np

__all__ = ["ILLNESSES", "Elsewhere"]

ILLNESSES = {
    "does not load": "cannot be loaded as joblib: RuntimeError: its weights are gone",
    "answers wrongly": "golden row 0, predict: expected 10, got 99",
    "crashes": "killed by signal 11",
    "leaves": "exited with 3",
    "hangs": "killed: no answer within",
    "takes all the memory": "MemoryError: Unable to allocate",
}
"""What can be wrong with it, and how that is told."""


class Elsewhere:
    """Answers as the model it wraps, in the process that made it."""

    def __init__(self, model: Any, illness: str) -> None:
        self.model = model
        self.illness = illness
        self.home = os.getpid()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.illness == "does not load" and os.getpid() != self.home:
            raise RuntimeError("its weights are gone")

    def predict(self, rows: Any) -> Any:
        if os.getpid() != self.home:
            match self.illness:
                case "answers wrongly":
                    return np.full(len(rows), 99)
                case "crashes":
                    os.kill(os.getpid(), signal.SIGSEGV)
                case "leaves":
                    os._exit(3)
                case "hangs":
                    time.sleep(60)
                case "takes all the memory":
                    np.ones(1 << 34)
        return self.model.predict(rows)
