"""Making a release: load the bytes that will be stored, try them, describe them."""

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import joblib
from pydantic import ValidationError

from predictq_registry.clock import now
from predictq_registry.errors import InvalidRelease
from predictq_registry.golden import record, working_methods
from predictq_registry.learn import learn
from predictq_registry.libraries import libraries_of
from predictq_registry.loading import RUNTIME, Loaded, unpickle
from predictq_registry.manifest import MAX_MANIFEST_BYTES, Manifest, ReleaseFile, sha256_of
from predictq_registry.samples import SampleSource

__all__ = ["Draft", "prepare"]

_FILE: Final = "model.joblib"


class Draft(NamedTuple):
    """A release that only lacks its number."""

    manifest: Manifest
    files: Mapping[str, bytes]


def prepare(  # noqa: PLR0913  what a release is made of
    model: str, artefact: object, sample: SampleSource, *, metrics: Mapping[str, float], author: str, note: str
) -> Draft:
    """A draft whose golden rows its own artefact has just answered twice alike."""
    data = _bytes_of(artefact)
    estimator, _ = unpickle(data)
    if not callable(getattr(estimator, "predict", None)):
        raise InvalidRelease(f"the artefact holds a {type(estimator).__name__}, which has no predict method")
    learnt = learn(sample, estimator)
    methods = working_methods(estimator, learnt)
    fields: dict[str, Any] = {
        "model": model,
        "version": 1,
        "runtime": RUNTIME,
        "files": (ReleaseFile(name=_FILE, sha256=sha256_of(data), size=len(data)),),
        "signature": learnt.signature,
        "methods": methods,
        "libraries": libraries_of(estimator),
        "golden": record(estimator, methods, learnt),
        "metrics": {name: float(value) for name, value in metrics.items()},
        "author": author,
        "created": now(),
        "note": note,
    }
    manifest = _manifest(fields)
    _verify(estimator, manifest)
    return Draft(manifest, {_FILE: data})


def _manifest(fields: dict[str, Any]) -> Manifest:
    try:
        return Manifest(**fields)
    except ValidationError as error:
        raise InvalidRelease(f"the release cannot be described: {error}") from error


def _verify(estimator: object, manifest: Manifest) -> None:
    size = len(manifest.to_bytes())
    if size > MAX_MANIFEST_BYTES:
        raise InvalidRelease(f"the manifest would have {size} bytes; at most {MAX_MANIFEST_BYTES} are read")
    try:
        Loaded(estimator, manifest).check_golden()
    except InvalidRelease as error:
        raise InvalidRelease(f"the model answers the same rows differently each time: {error}") from error


def _bytes_of(artefact: object) -> bytes:
    if isinstance(artefact, (bytes, bytearray, memoryview)):
        return bytes(artefact)
    if isinstance(artefact, (str, os.PathLike)):
        return _read(Path(artefact))
    return _dumped(artefact)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRelease(f"the artefact {str(path)!r} cannot be read: {error.strerror}") from error


def _dumped(estimator: object) -> bytes:
    buffer = io.BytesIO()
    try:
        joblib.dump(estimator, buffer)
    except Exception as error:  # pickling runs the classes' own code
        reason = f"{type(error).__name__}: {error}"
        raise InvalidRelease(f"a {type(estimator).__name__} cannot be written with joblib: {reason}") from error
    return buffer.getvalue()
