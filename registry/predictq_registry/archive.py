"""A folder as one tar, the same bytes for the same files; and back, taking nothing but plain files with plain names."""

import io
import tarfile
from pathlib import Path, PurePosixPath
from typing import Final

from predictq_registry.errors import InvalidRelease

__all__ = ["pack", "unpack"]

_MOST_FILES: Final = 10_000
_LONGEST: Final = 1024


def pack(folder: Path) -> bytes:
    """Every plain file under `folder`, in order of names, without owners, times or rights.

    Raises:
        InvalidRelease: if something in it is a link or a device.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise InvalidRelease(f"{str(path)!r} is no plain file: put the file itself in its place")
            if path.is_file():
                member = tarfile.TarInfo(path.relative_to(folder).as_posix())
                data = path.read_bytes()
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def unpack(data: bytes, folder: str) -> None:
    """Write what `pack` packed into `folder`, which is empty. A tar of anything else is refused before it is written.

    Raises:
        InvalidRelease: for a link, a device, an absolute path, `..`, a name twice (also by case), or too many files.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:  # uncompressed: it cannot grow
            members = tar.getmembers()
            _check(members, len(data))
            for member in members:
                _write(tar, member, Path(folder))
    except (tarfile.TarError, EOFError) as error:
        raise InvalidRelease(f"it is no archive of a folder: {error}") from error


def _check(members: list[tarfile.TarInfo], size: int) -> None:
    if len(members) > _MOST_FILES:
        raise InvalidRelease(f"the archive holds {len(members)} entries; at most {_MOST_FILES} are taken")
    seen: set[str] = set()
    for member in members:
        if not member.isreg() or member.issparse():
            raise InvalidRelease(f"the archive's {member.name[:80]!r} is no plain file")
        path = PurePosixPath(member.name)
        plain = str(path) == member.name and not path.is_absolute() and ".." not in path.parts and path.parts
        if not plain or "\\" in member.name or "\0" in member.name or len(member.name) > _LONGEST:
            raise InvalidRelease(f"the archive's {member.name[:80]!r} is no plain name")
        if member.name.casefold() in seen:
            raise InvalidRelease(f"the archive holds {member.name[:80]!r} twice")
        seen.add(member.name.casefold())
    if sum(member.size for member in members) > size:
        raise InvalidRelease("the archive would unpack to more than it holds")


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    source = tar.extractfile(member)
    path = folder / member.name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(source.read() if source else b"")
