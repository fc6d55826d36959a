"""Models that do what models do when things go wrong. Runners import this module to unpickle them."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import numpy as np

FINE = 0.0
RAISES = 101.0
SEGFAULTS = 102.0
HANGS = 103.0
LEAVES = 104.0
KILLS_ITSELF = 105.0
SYS_EXIT = 106.0
INTERRUPT = 107.0
RECURSES = 108.0
NO_MEMORY = 109.0
ENVIRONMENT = 110.0
HOLDS_THE_GIL = 111.0
STARTS_A_CHILD = 113.0
GARBLES_THE_CHANNEL = 114.0
GROWS = 115.0


class TrapModel:
    """Answers a row with its sum, unless its first value asks for trouble."""

    def __init__(self) -> None:
        self.ballast = []

    def predict(self, rows: np.ndarray) -> np.ndarray:
        for first in rows[:, 0]:
            self._act(float(first))
        return rows.sum(axis=1)

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        return np.column_stack([rows.sum(axis=1), rows[:, 0]])

    def _act(self, code: float) -> None:
        if code == GROWS:
            self.ballast.append(np.ones(8 << 20))
        elif code == RECURSES:
            self._act(code)
        elif code in TROUBLE:
            TROUBLE[code]()


def _raise(error: BaseException) -> NoReturn:
    raise error


def _hold_the_gil() -> None:
    print("holding", flush=True)  # noqa: T201  tells the test that it may begin
    ctypes.PyDLL(None).sleep(3600)


def _tell_environment() -> NoReturn:
    raise LookupError(" ".join(sorted(os.environ)) + " | " + " ".join(os.environ.values()))


def _start_a_child() -> NoReturn:
    raise LookupError(f"{subprocess.Popen(['/bin/sleep', '3600'], close_fds=False).pid}")


def _write_to_every_socket(text: bytes) -> None:
    for entry in Path("/proc/self/fd").iterdir():
        if entry.is_symlink() and str(entry.readlink()).startswith("socket:"):
            os.write(int(entry.name), text)


TROUBLE = {
    RAISES: lambda: _raise(ValueError("this row is bad\nand this line is not told")),
    SEGFAULTS: lambda: ctypes.string_at(0),
    HANGS: lambda: time.sleep(3600),
    LEAVES: lambda: os._exit(7),
    KILLS_ITSELF: lambda: os.kill(os.getpid(), signal.SIGKILL),
    SYS_EXIT: lambda: sys.exit(3),
    INTERRUPT: lambda: _raise(KeyboardInterrupt()),
    NO_MEMORY: lambda: _raise(MemoryError()),
    ENVIRONMENT: _tell_environment,
    HOLDS_THE_GIL: _hold_the_gil,
    STARTS_A_CHILD: _start_a_child,
    GARBLES_THE_CHANNEL: lambda: _write_to_every_socket(b"\x93 this is no frame " * 64),
}


class SlowToUnpickle(TrapModel):
    """Takes an hour to load, in a runner."""

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        if os.environ.get("OMP_NUM_THREADS") == SLOW_THREADS:
            time.sleep(3600)


class DiesOnUnpickle(TrapModel):
    """Segfaults when it is loaded, in a runner."""

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        if os.environ.get("OMP_NUM_THREADS") == SLOW_THREADS:
            ctypes.string_at(0)


SLOW_THREADS = "13"
"""How these two know that they are in a runner, rather than in the process that publishes them."""
