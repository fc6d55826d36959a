"""A model that takes a minute for certain rows."""

import time
from typing import Any

import numpy as np

__all__ = ["Slow"]


class Slow:
    """Answers as the model it wraps; a row of nines makes it sleep first."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, rows: Any) -> Any:
        if (np.asarray(rows) == 9.0).all(axis=1).any():
            time.sleep(60)
        return self.model.predict(rows)
