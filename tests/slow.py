"""Models that take their time."""

import os
import time
from typing import Any

import numpy as np

__all__ = ["Slow", "SlowToLoad"]


class Slow:
    """Answers as the model it wraps; a row of nines makes it sleep first."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, rows: Any) -> Any:
        if (np.asarray(rows) == 9.0).all(axis=1).any():
            time.sleep(60)
        return self.model.predict(rows)


class SlowToLoad:
    """Answers as the model it wraps; takes two seconds to load anywhere but where it was made."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.home = os.getpid()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if os.getpid() != self.home:
            time.sleep(2)

    def predict(self, rows: Any) -> Any:
        return self.model.predict(rows)
