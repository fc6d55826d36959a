"""Artefact files of a remote store, kept on this machine: fetched once for all its workers, and verified at each use.

<folder>/<sha256>          a whole file, under the digest of its content
<folder>/<sha256>.part     as much of it as was fetched; whoever fetches holds a lock on it, which dies with him
"""

import fcntl
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from predictq_registry.errors import InvalidRelease
from predictq_registry.manifest import ReleaseFile, sha256_of

__all__ = ["Cache", "Progress", "Stage"]

_CHUNK: Final = 8 << 20
_OFTEN: Final = 5.0
"""Seconds between two reports of one file."""


class Stage(Enum):
    """How far a file is."""

    WAITING = "waiting"
    """Somebody else on this machine fetches it."""
    FETCHING = "fetching"
    FETCHED = "fetched"
    UNCACHED = "uncached"
    """The folder cannot be used, so it is fetched for this process alone."""


class Progress(NamedTuple):
    """What is told of a file that is being fetched.

    Attributes:
        stage: How far it is.
        sha256: Which file.
        done: Bytes that are here.
        size: Bytes that it has.
        why: What is wrong, if anything is.
    """

    stage: Stage
    sha256: str
    done: int
    size: int
    why: str = ""


def _unheard(_: Progress) -> None:
    """Nobody asked."""


class Cache:
    """A folder of files by digest, shared by processes of one user. Holds at most so many bytes, the latest used."""

    def __init__(self, folder: Path, most: int, told: Callable[[Progress], object] = _unheard) -> None:
        """`most` in bytes; what was used longest ago goes. The folder is made when it is needed."""
        self._folder: Final = folder
        self._most: Final = most
        self._told: Final = told

    def get(self, file: ReleaseFile, read: Callable[[int, int], bytes]) -> bytes:
        """The content of `file`; where it is not here, `read` gives its bytes from one place up to another.

        What is not what its digest says is never kept, and given back only as it came: see `load`. A folder that
        cannot be used costs a fetch each time, and nothing else.

        Raises:
            InvalidRelease: if the store's file is shorter than `file` says.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            data = self._kept(file)
            return self._fetched(file, read) if data is None else data
        except OSError as error:
            self._told(Progress(Stage.UNCACHED, file.sha256, 0, file.size, str(error)))
            return read(0, file.size)

    def _kept(self, file: ReleaseFile) -> bytes | None:
        path = self._folder / file.sha256
        try:
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as kept:
                data = kept.read()
        except FileNotFoundError:
            return None
        if sha256_of(data) == file.sha256:
            os.utime(path)
            return data
        path.unlink(missing_ok=True)  # a disk that forgot, or somebody who meddled
        return None

    def _fetched(self, file: ReleaseFile, read: Callable[[int, int], bytes]) -> bytes:
        part = self._folder / f"{file.sha256}.part"
        with self._locked(part, file) as opened:
            if (data := self._kept(file)) is not None:  # whoever had the lock before
                part.unlink()
                return data
            began, resumed = time.monotonic(), opened.seek(0, os.SEEK_END)
            data = self._filled(opened, file, read)
            if resumed and sha256_of(data) != file.sha256:
                opened.truncate(0)
                data = self._filled(opened, file, read)
            if sha256_of(data) != file.sha256:
                part.unlink()
                return data
            part.rename(self._folder / file.sha256)
        seconds = f"{time.monotonic() - began:.1f} s, {resumed} bytes were here"
        self._told(Progress(Stage.FETCHED, file.sha256, file.size, file.size, seconds))
        self._prune(keep=file.sha256)
        return data

    @contextmanager
    def _locked(self, part: Path, file: ReleaseFile) -> Generator[BinaryIO]:
        """The file that grows, ours alone while this lasts."""
        while True:
            descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "r+b", buffering=0) as opened:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    self._told(Progress(Stage.WAITING, file.sha256, os.fstat(descriptor).st_size, file.size))
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
                if _is_at(descriptor, part):
                    yield opened
                    return

    def _filled(self, opened: BinaryIO, file: ReleaseFile, read: Callable[[int, int], bytes]) -> bytes:
        """All of it, what was here already included."""
        place, told = opened.seek(0, os.SEEK_END), 0.0
        while place < file.size:
            if time.monotonic() - told > _OFTEN:
                self._told(Progress(Stage.FETCHING, file.sha256, place, file.size))
                told = time.monotonic()
            chunk = read(place, min(place + _CHUNK, file.size))
            if not chunk:
                raise InvalidRelease(f"the file {file.name!r} has {place} bytes in the registry instead of {file.size}")
            opened.write(chunk)
            place += len(chunk)
        opened.seek(0)
        return opened.read()

    def _prune(self, keep: str) -> None:
        with suppress(OSError):  # another process prunes, too
            found = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in self._folder.iterdir())
            room = self._most - sum(size for _, size, _ in found)
            for _, size, path in found:
                if room < 0 and path.name != keep:
                    path.unlink(missing_ok=True)
                    room += size


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether `path` is still the name of that file, which whoever had the lock may have moved."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False
