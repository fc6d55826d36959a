"""Small files in any fsspec location: read whole, listed, written whole, and created exclusively.

Exclusive creation of a file with its complete content is the one step on which everything atomic here stands:
of several writers exactly one creates a name, and no reader ever sees half of it.
"""

import os
import re
import stat
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem

from predictq_registry.errors import StoreError

__all__ = ["Storage", "open_storage"]

_PATIENT: Final = {"config_kwargs": {"connect_timeout": 5, "read_timeout": 10, "retries": {"mode": "standard"}}}
"""S3 answers within seconds or is asked again: three times by botocore, and that five times by s3fs."""
_OPTIONS: Final[dict[str, dict[str, Any]]] = {"s3": _PATIENT, "s3a": _PATIENT}
_CREATES_EXCLUSIVELY: Final = frozenset({"s3", "s3a"})
"""fsspec's own `create` looks first and writes then, which two writers can do at once; these ask the server."""
_TEMPORARY: Final = ".tmp-"
_ABANDONED: Final = 86400.0


def open_storage(url: str) -> "Storage":
    """The storage at `url`; a plain path is a local folder, which need not exist yet.

    Raises:
        StoreError: if fsspec knows no such store, or its package is not installed.
    """
    try:
        filesystem, root = url_to_fs(url, use_listings_cache=False, **_OPTIONS.get(url.partition("://")[0], {}))
    except Exception as error:  # every store reads the rest of the URL in its own way
        raise StoreError(f"no store for {_masked(url)!r}: {error}") from error
    if isinstance(filesystem, LocalFileSystem):
        return _LocalStorage(filesystem, root, _masked(url))
    if isinstance(filesystem, MemoryFileSystem):
        return _MemoryStorage(filesystem, root, _masked(url))
    return Storage(filesystem, root, _masked(url))


class Storage:
    """A store that some server keeps. Paths are relative to the root and made of names we checked.

    Every failure is a `StoreError` that names the store and the path.

    Attributes:
        remote: Whether reading costs so much that it pays to keep what was read.
    """

    remote = True

    def __init__(self, filesystem: AbstractFileSystem, root: str, url: str) -> None:
        self._fs: Any = filesystem  # fsspec says little about what its methods give
        self._root = root.rstrip("/")
        self._url = url
        self._tried = False

    def read(self, path: str) -> bytes | None:
        """The whole file, or None if there is none."""
        try:
            with self._told("read", path):
                return self._read(self._full(path))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read_part(self, path: str, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end`, or up to the end of the file; none if there is no such file."""
        try:
            with self._told("read", path):
                return bytes(self._fs.cat_file(self._full(path), start=start, end=end))
        except (FileNotFoundError, NotADirectoryError):
            return b""

    def names(self, path: str) -> list[str]:
        """The names in a folder, sorted; none if there is no such folder."""
        try:
            with self._told("list", path):
                entries = self._list(self._full(path))
        except (FileNotFoundError, NotADirectoryError):
            return []
        names = (entry.rstrip("/").rpartition("/")[2] for entry in entries)
        return sorted(name for name in names if name and not name.startswith(_TEMPORARY))

    def exists(self, path: str) -> bool:
        """Whether there is a file of that name."""
        try:
            with self._told("read", path):
                self._fs.info(self._full(path))
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def write_once(self, path: str, data: bytes) -> None:
        """Write a file whose name says its content, unless exactly that is there already."""
        if self.read(path) != data:
            with self._told("write", path):
                self._write(self._full(path), data)

    def create_exclusive(self, path: str, data: bytes) -> bool:
        """Create the file with all of `data`, durably; False if that name exists, which then stays as it is."""
        with self._told("write", path):
            return self._create(self._full(path), data)

    def remove_folder(self, path: str) -> None:
        """Remove a folder with all that is in it, if it is there."""
        with suppress(FileNotFoundError), self._told("remove", path):
            self._fs.rm(self._full(path), recursive=True)

    def _full(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    @contextmanager
    def _told(self, verb: str, path: str) -> Generator[None]:
        """Let a missing file pass as such where one reads; tell every other failure in one way."""
        try:
            yield
        except StoreError:
            raise
        except Exception as error:  # every store has exceptions of its own
            if isinstance(error, (FileNotFoundError, NotADirectoryError)) and verb != "write":
                raise
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise StoreError(f"cannot {verb} {path!r} in the registry {self._url!r}: {reason}") from error

    def _read(self, full: str) -> bytes:
        return bytes(self._fs.cat_file(full))

    def _list(self, full: str) -> list[str]:
        self._fs.invalidate_cache(full)
        return list(self._fs.ls(full, detail=False))

    def _write(self, full: str, data: bytes) -> None:
        self._require_exclusive()
        self._fs.pipe_file(full, data)

    def _create(self, full: str, data: bytes) -> bool:
        self._require_exclusive()
        try:
            self._fs.pipe_file(full, data, mode="create")
        except FileExistsError:
            # A retry after a lost response meets its own file.
            return self._read(full) == data
        return True

    def _require_exclusive(self) -> None:
        protocol = self._fs.protocol
        protocols = {protocol} if isinstance(protocol, str) else set(protocol)
        if not protocols & _CREATES_EXCLUSIVELY:
            raise StoreError(
                f"the store {self._url!r} cannot create a file exclusively, so releases could overwrite each other: "
                "use a local folder, s3:// or memory://"
            )
        if not self._tried:
            self._try_exclusive()
            self._tried = True

    def _try_exclusive(self) -> None:
        """Not every server that speaks S3 keeps to If-None-Match; one that does not would overwrite without a word."""
        path = self._full(f"{_TEMPORARY}{uuid.uuid4().hex}")
        self._fs.pipe_file(path, b"1", mode="create")
        try:
            self._fs.pipe_file(path, b"2", mode="create")
        except FileExistsError:
            return
        finally:
            with suppress(Exception):  # who may not remove leaves a byte behind
                self._fs.rm_file(path)
        raise StoreError(
            f"the server of {self._url!r} ignores If-None-Match, so releases could overwrite each other: "
            "use a newer version of it, or another store"
        )


class _MemoryStorage(Storage):
    """This process's memory. fsspec's files share one position among all readers, so the values are read directly."""

    remote = False

    def _read(self, full: str) -> bytes:
        try:
            return bytes(self._fs.store[full].getvalue())
        except KeyError:
            raise FileNotFoundError(full) from None

    def _write(self, full: str, data: bytes) -> None:
        self._fs.store[full] = MemoryFile(self._fs, full, data)

    def _create(self, full: str, data: bytes) -> bool:
        file = MemoryFile(self._fs, full, data)
        return self._fs.store.setdefault(full, file) is file


class _LocalStorage(Storage):
    """A folder: written beside, synced, then linked, so that a name and its content appear together."""

    remote = False

    def _read(self, full: str) -> bytes:
        # A link could lead out of the registry, and a pipe could make us wait for ever.
        descriptor = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise StoreError(f"{full!r} in the registry is no plain file: put a copy of the file in its place")
            return file.read()

    def _list(self, full: str) -> list[str]:
        return [path.name for path in Path(full).iterdir()]

    def _write(self, full: str, data: bytes) -> None:
        self._appear(Path(full), data, os.replace)

    def _create(self, full: str, data: bytes) -> bool:
        try:
            self._appear(Path(full), data, os.link)
        except FileExistsError:
            return False
        return True

    def _appear(self, path: Path, data: bytes, give_name: Callable[[Path, Path], None]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        temporary = path.parent / f"{_TEMPORARY}{uuid.uuid4().hex}"
        try:
            _write_synced(temporary, data)
            give_name(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)


def _write_synced(path: Path, data: bytes) -> None:
    # Read-only from the first moment: a release never changes.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(folder: Path) -> None:
    """Remove what a killed writer left behind a day ago; nobody ever reads such a file."""
    for path in folder.glob(f"{_TEMPORARY}*"):
        with suppress(FileNotFoundError):  # another writer's, finished in between
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink()


def _masked(url: str) -> str:
    """The URL without who logs in, even if it is so wrong that nobody can take it apart."""
    return _LOGIN.sub("://***@", url) if ":" in url.partition("://")[2].rpartition("@")[0] else url


_LOGIN: Final = re.compile(r"://.*@", re.DOTALL)
