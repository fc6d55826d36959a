"""The releases of a registry as they are stored: files by digest, and a manifest that makes them a release."""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from predictq_registry.errors import InvalidRelease
from predictq_registry.manifest import Manifest
from predictq_registry.names import is_name, is_version
from predictq_registry.package import Package
from predictq_registry.signing import SignatureStore, sign

if TYPE_CHECKING:
    from predictq_registry.cache import Cache
    from predictq_registry.keys import SigningKey
    from predictq_registry.manifest import ReleaseFile
    from predictq_registry.publishing import Draft
    from predictq_registry.signing import ReleaseSignature
    from predictq_registry.storage import Storage

__all__ = ["ReleaseStore"]


class ReleaseStore:
    """The releases in one store. Reading one that is not there is the caller's mistake: ask `has`."""

    def __init__(self, storage: Storage, url: str, cache: Cache | None) -> None:
        self._storage = storage
        self._url = url
        self._cache = cache

    def add(self, draft: Draft, key: SigningKey | None) -> Manifest:
        """Store a draft under the next free version, signed by `key`; all of it becomes visible in one step."""
        model = draft.manifest.model
        for file in draft.manifest.files:
            self._storage.write_once(_file_path(model, file.sha256), draft.files[file.name])
        for version in count(max(self.versions(model), default=0) + 1):
            data = draft.manifest.model_copy(update={"version": version}).to_bytes()
            manifest = Manifest.read(data)
            if key is not None:  # before the release exists, so that it never exists unsigned
                SignatureStore(self._storage, model).add(sign(key, data), data)
            if self._storage.create_exclusive(_manifest_path(model, version), data):
                return manifest
        raise AssertionError  # `count` never ends

    def sign(self, model: str, version: int, key: SigningKey) -> ReleaseSignature:
        """As `Registry.sign`."""
        _, data = self._read(model, version)
        signature = sign(key, data)
        SignatureStore(self._storage, model).add(signature, data)
        return signature

    def signatures(self, model: str, version: int) -> tuple[ReleaseSignature, ...]:
        """As `Registry.signatures`."""
        _, data = self._read(model, version)
        return SignatureStore(self._storage, model).read(data)

    def models(self) -> list[str]:
        """As `Registry.models`."""
        return [name for name in self._storage.names("") if is_name(name) and self._has_release(name)]

    def listed(self) -> list[str]:
        """As `Registry.listed`."""
        return [name for name in self._storage.names("") if is_name(name)]

    def versions(self, model: str) -> list[int]:
        """The versions of a model, ascending; empty if it has none."""
        return [version for version in self._numbers(model) if self.has(model, version)]

    def has(self, model: str, version: int) -> bool:
        """Whether there is that release."""
        return is_name(model) and self._storage.exists(_manifest_path(model, version))

    def _has_release(self, model: str) -> bool:
        """Looks at the newest release and no further."""
        return any(self.has(model, version) for version in reversed(self._numbers(model)))

    def _numbers(self, model: str) -> list[int]:
        """The numbers that were taken, ascending; a release is there if it has a manifest."""
        names = self._storage.names(f"{model}/releases") if is_name(model) else ()
        return sorted(int(name) for name in names if is_version(name))

    def manifest(self, model: str, version: int) -> Manifest:
        """As `Registry.manifest`."""
        return self._read(model, version)[0]

    def fetch(self, model: str, version: int) -> Package:
        """As `Registry.fetch`."""
        manifest, data = self._read(model, version)
        files = {file.name: self._file(model, file) for file in manifest.files}
        return Package(manifest, data, files, SignatureStore(self._storage, model).read(data))

    def _file(self, model: str, file: ReleaseFile) -> bytes:
        path = _file_path(model, file.sha256)
        if self._cache is not None:
            return self._cache.get(file, partial(self._storage.read_part, path))
        data = self._storage.read(path)
        if data is None:
            raise InvalidRelease(f"the file {file.sha256} of {model!r} is missing in the registry {self._url!r}")
        return data

    def _read(self, model: str, version: int) -> tuple[Manifest, bytes]:
        path = _manifest_path(model, version)
        data = self._storage.read(path) or b""
        try:
            manifest = Manifest.read(data)
        except InvalidRelease as error:
            raise InvalidRelease(f"{path!r} in the registry: {error}") from error
        if (manifest.model, manifest.version) != (model, version):
            raise InvalidRelease(
                f"the manifest of {model!r} version {version} says it is {manifest.model!r} version {manifest.version}"
            )
        return manifest, data


def _manifest_path(model: str, version: int) -> str:
    return f"{model}/releases/{version}/manifest.json"


def _file_path(model: str, sha256: str) -> str:
    return f"{model}/files/{sha256}"
