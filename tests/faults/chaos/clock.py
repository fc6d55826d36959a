"""Wall clocks that jump: a small library, preloaded into a process, shifts what it is told the time is."""

import shutil
import struct
import subprocess
from pathlib import Path
from typing import Final

__all__ = ["Clock", "build_shim"]


def build_shim(directory: Path) -> Path | None:
    """The compiled library; None without a C compiler, and then no clock jumps."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    library = directory / "clock.so"
    source = Path(__file__).with_name("clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(source)], check=True)
    return library


class Clock:
    """The clock of one process; it is right until told otherwise.

    Attributes:
        environment: What the process must be started with.
    """

    def __init__(self, file: Path, shim: Path | None) -> None:
        self._file: Final = file
        self.environment: Final = {"LD_PRELOAD": str(shim), "CHAOS_CLOCK": str(file)} if shim else {}
        self.jump(0.0)

    @property
    def can_jump(self) -> bool:
        """Whether there is a library to shift it."""
        return bool(self.environment)

    def jump(self, seconds: float) -> None:
        """From now on it is wrong by so much; the file keeps its place, for it is mapped."""
        with self._file.open("r+b" if self._file.exists() else "w+b") as file:
            file.write(struct.pack("q", round(seconds * 1000)).ljust(4096, b"\0"))
