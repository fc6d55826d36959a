"""A release as it came out of the store: bytes, not yet trusted."""

from collections.abc import Mapping
from dataclasses import dataclass

from predictq_registry.manifest import Manifest
from predictq_registry.signing import ReleaseSignature

__all__ = ["Package"]


@dataclass(frozen=True, slots=True)
class Package:
    """Everything a runner needs to load a release, with nothing of it verified; `load` does that.

    It can be pickled, so it can be sent to a process that has no access to the store.
    """

    manifest: Manifest
    manifest_bytes: bytes
    files: Mapping[str, bytes]
    signatures: tuple[ReleaseSignature, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of the files."""
        return sum(map(len, self.files.values()))
