"""Releases that pass every check when they are loaded, and turn out bad when they are asked."""

import os
import signal
import time
from typing import Any

import numpy as np

__all__ = ["EXAMINED", "Crashing", "Failing", "Greedy", "Sluggish", "Wrong"]

EXAMINED = 8
"""As many rows are shown when it is published; nobody tries it on the others."""


class _Bad:
    """Answers as the model it wraps, but rows that it was not examined on in a way of its own."""

    def __init__(self, model: Any, rows: Any) -> None:
        self.model = model
        shown = {tuple(row) for row in rows[:EXAMINED].tolist()}
        self.others = {tuple(row) for row in rows.tolist()} - shown

    def predict(self, rows: Any) -> Any:
        if self.others.isdisjoint(map(tuple, np.asarray(rows).tolist())):
            return self.model.predict(rows)
        return self.misbehave(rows)

    def misbehave(self, rows: Any) -> Any:
        raise NotImplementedError


class Sluggish(_Bad):
    """Takes its time."""

    def misbehave(self, rows: Any) -> Any:
        time.sleep(0.05)
        return self.model.predict(rows)


class Wrong(_Bad):
    """Says the same of everything."""

    def misbehave(self, rows: Any) -> Any:
        return np.zeros(len(rows), dtype=int)


class Crashing(_Bad):
    """Dies as of a fault in its C code."""

    def misbehave(self, rows: Any) -> Any:
        os.kill(os.getpid(), signal.SIGSEGV)
        return rows


class Failing(_Bad):
    """Raises."""

    def misbehave(self, rows: Any) -> Any:
        if len(rows):
            raise ValueError("a column that nobody had thought of")
        return rows


class Greedy(_Bad):
    """Keeps twenty megabytes for each batch."""

    def __init__(self, model: Any, rows: Any) -> None:
        super().__init__(model, rows)
        self.hoard: list[bytes] = []

    def misbehave(self, rows: Any) -> Any:
        self.hoard.append(os.urandom(1 << 10) * (20 << 10))
        return self.model.predict(rows)
