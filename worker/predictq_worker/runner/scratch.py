"""A folder for what models write for the moment: the only one where a runner may, gone with the worker that made it.

`<temporary folder>/predictq-scratch-…/<pid of the runner>`. Whoever made it holds a lock on it, which dies with him, so
that the next one can tell what is left of the dead, and removes it.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final, Self

__all__ = ["Scratch", "own_folder"]

_PREFIX: Final = "predictq-scratch-"


class Scratch:
    """One worker's folder. Where none can be made, `path` is None, and its runners write nothing."""

    def __init__(self, path: Path | None, lock: int = -1) -> None:
        """Use `make`."""
        self.path: Final = path
        self._lock: Final = lock

    @classmethod
    def make(cls) -> Self:
        """A new one; what others left who are dead is removed."""
        try:
            _sweep(Path(tempfile.gettempdir()))
            path = Path(tempfile.mkdtemp(prefix=_PREFIX))
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # no room, no rights, or another one swept this very moment
            return cls(None)
        return cls(path, lock)

    def forget(self, pid: int) -> None:
        """That runner is gone, and so is what it wrote."""
        if self.path is not None:
            shutil.rmtree(self.path / str(pid), ignore_errors=True)

    def close(self) -> None:
        """Remove all of it."""
        if self.path is not None:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)


def own_folder(pid: int) -> str | None:
    """In a runner: make the folder that is its alone, and let `tempfile` use it; None if there is none to be had."""
    folder = Path(os.environ.get("TMPDIR", "")) / str(pid)
    try:
        folder.mkdir(mode=0o700)
    except OSError:
        return None
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    return str(folder)


def _sweep(folder: Path) -> None:
    for left in folder.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # it lives, is another user's, or is being swept by somebody else
            lock = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(lock)
