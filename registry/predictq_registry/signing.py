"""Signatures of releases: over the manifest's stored bytes, which name every file by its digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from predictq_registry.manifest import sha256_of
from predictq_registry.names import is_name

if TYPE_CHECKING:
    from predictq_registry.keys import PublicKey, SigningKey
    from predictq_registry.storage import Storage

__all__ = ["ReleaseSignature", "SignatureStore", "sign", "signer"]

_PURPOSE: Final = b"predictq release 1\n"
"""Before what is signed, so that a signature made for something else is never one of a release."""
_SIZE: Final = 64
_MOST: Final = 16


class ReleaseSignature(NamedTuple):
    """One signature of one release.

    Attributes:
        key_id: Of the key that is said to have made it.
        value: Its 64 bytes.
    """

    key_id: str
    value: bytes


def sign(key: SigningKey, manifest_bytes: bytes) -> ReleaseSignature:
    """`key`'s signature of the release with that manifest."""
    return ReleaseSignature(key.public.id, key.sign(_PURPOSE + manifest_bytes))


def signer(
    keys: tuple[PublicKey, ...], signatures: tuple[ReleaseSignature, ...], manifest_bytes: bytes
) -> PublicKey | None:
    """The first of `keys` that signed exactly these bytes; None if none did."""
    by_id = {key.id: key for key in keys}
    for signature in signatures[:_MOST]:
        key = by_id.get(signature.key_id)
        if key is not None and key.verifies(signature.value, _PURPOSE + manifest_bytes):
            return key
    return None


class SignatureStore:
    """Where a model's signatures lie: `<model>/signatures/<sha256 of the manifest>/<key id>`, 64 bytes each.

    Under the digest of what they sign, so that they can be there before the release is, and added to it later.
    """

    def __init__(self, storage: Storage, model: str) -> None:
        self._storage = storage
        self._folder = f"{model}/signatures"

    def add(self, signature: ReleaseSignature, manifest_bytes: bytes) -> None:
        """Store it, unless it is there."""
        self._storage.write_once(f"{self._of(manifest_bytes)}/{signature.key_id}", signature.value)

    def read(self, manifest_bytes: bytes) -> tuple[ReleaseSignature, ...]:
        """Every signature that is stored for these bytes, unverified."""
        folder = self._of(manifest_bytes)
        names = [name for name in self._storage.names(folder) if is_name(name)][:_MOST]
        found = ((name, self._storage.read(f"{folder}/{name}")) for name in names)
        return tuple(ReleaseSignature(name, value) for name, value in found if value and len(value) == _SIZE)

    def _of(self, manifest_bytes: bytes) -> str:
        return f"{self._folder}/{sha256_of(manifest_bytes)}"
