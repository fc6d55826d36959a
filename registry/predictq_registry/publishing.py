"""Making a release: load the bytes that will be stored, try them, describe them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from predictq_registry.clock import now
from predictq_registry.conversion import Converted, convert
from predictq_registry.errors import InvalidRelease
from predictq_registry.golden import record, working_methods
from predictq_registry.inputs.learn import learn
from predictq_registry.libraries import libraries_of
from predictq_registry.loading import Loaded, open_content, require_predict
from predictq_registry.manifest import MAX_MANIFEST_BYTES, Manifest, ReleaseFile, sha256_of
from predictq_registry.runtimes import Content, Runtime, runtime_for
from predictq_registry.runtimes.joblib import Joblib
from predictq_registry.runtimes.known import DEFAULT
from predictq_registry.runtimes.mlflow import SCHEME, local_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from predictq_registry.inputs.learn import Learnt
    from predictq_registry.inputs.samples import SampleSource

__all__ = ["Draft", "prepare"]


class Draft(NamedTuple):
    """A release that only lacks its number.

    Attributes:
        manifest: As it will be.
        files: What it names.
        remarks: What whoever publishes should know, such as a format that could not be had.
    """

    manifest: Manifest
    files: Mapping[str, bytes]
    remarks: tuple[str, ...] = ()


class _Source(NamedTuple):
    """What was given to be published: a model, and the file it came from, if it came from one."""

    model: object
    file: Converted | None = None


def prepare(  # noqa: PLR0913  what a release is made of
    model: str,
    artefact: object,
    sample: SampleSource,
    *,
    formats: Sequence[str] = (),
    metrics: Mapping[str, float],
    author: str,
    note: str,
) -> Draft:
    """A draft whose golden rows its own artefact has just answered twice alike."""
    source = _read(artefact, formats)
    learnt = learn(sample, source.model)
    release = _in_format(source, learnt, formats)
    methods = working_methods(release.model, learnt)
    files = tuple(
        ReleaseFile(name=name, sha256=sha256_of(data), size=len(data)) for name, data in release.content.files.items()
    )
    fields: dict[str, Any] = {
        "model": model,
        "version": 1,
        "runtime": release.runtime.name,
        "files": files,
        "options": dict(release.content.options),
        "signature": learnt.signature,
        "methods": methods,
        "libraries": libraries_of(release.model, release.runtime.libraries),
        "golden": record(release.model, methods, learnt),
        "metrics": {name: float(value) for name, value in metrics.items()},
        "author": author,
        "created": now(),
        "note": note,
    }
    manifest = _manifest(fields)
    _verify(release, manifest)
    return Draft(manifest, release.content.files, release.remarks)


def _read(artefact: object, formats: Sequence[str]) -> _Source:
    """Whatever stands for a model: an estimator, the bytes of a pickle, a path, a URI of MLflow's."""
    pickled = Joblib()
    if isinstance(artefact, (bytes, bytearray, memoryview)):
        return _opened(pickled, Content({f"model.{DEFAULT}": bytes(artefact)}))
    if isinstance(artefact, (str, os.PathLike)):
        return _opened(*_read_path(os.fspath(artefact)))
    if formats and formats[0] != DEFAULT:
        require_predict(artefact)
        return _Source(artefact)
    return _opened(pickled, pickled.dump(artefact, None)[0])


def _opened(runtime: Runtime, content: Content) -> _Source:
    found, _ = open_content(runtime, content)
    return _Source(found, Converted(runtime, content, found))


def _read_path(path: str) -> tuple[Runtime, Content]:
    if path.startswith(SCHEME):
        path = local_folder(path.removeprefix(SCHEME))
    try:
        runtime = runtime_for(Path(path))
        return runtime, runtime.read(Path(path))
    except OSError as error:
        raise InvalidRelease(f"the artefact {path!r} cannot be read: {error.strerror}") from error


def _in_format(source: _Source, learnt: Learnt, formats: Sequence[str]) -> Converted:
    """As it came, if that is the format wished for first or none is; else converted."""
    file = source.file
    if file is not None and (not formats or formats[0] == file.runtime.name):
        return file
    return convert(getattr(source.model, "native", None) or source.model, learnt, formats or [DEFAULT])


def _manifest(fields: dict[str, Any]) -> Manifest:
    try:
        return Manifest(**fields)
    except ValidationError as error:
        raise InvalidRelease(f"the release cannot be described: {error}") from error


def _verify(release: Converted, manifest: Manifest) -> None:
    size = len(manifest.to_bytes())
    if size > MAX_MANIFEST_BYTES:
        raise InvalidRelease(f"the manifest would have {size} bytes; at most {MAX_MANIFEST_BYTES} are read")
    try:
        Loaded(release.model, manifest, tolerance=release.runtime.tolerance).check_golden()
    except InvalidRelease as error:
        raise InvalidRelease(f"the model answers the same rows differently each time: {error}") from error
