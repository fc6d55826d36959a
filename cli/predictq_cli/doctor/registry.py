"""What the doctor looks for in the registry."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING, Final

from predictq_cli.doctor.finding import Finding, fine, remarkable, wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from predictq_registry import Manifest, Registry, Trust

__all__ = ["look_at_registry"]

_PART: Final = "registry"


def look_at_registry(url: str) -> Iterator[Finding]:
    """Can it be read and written, do aliases point somewhere, and are the files what their manifests say?"""
    try:
        from predictq_registry import InvalidKey, Registry, RegistryError
        from predictq_registry.trust import trust_in
    except ModuleNotFoundError as error:
        do = "pip install 'predictq[worker]' to have it checked; whoever only asks does not need it"
        yield remarkable(_PART, f"not looked at: the package {error.name!r} is not installed", do)
        return
    try:
        store = Registry(url)
        trust = trust_in(os.environ)
        models = store.models()
        yield _listed(url, models)
        yield from _look_at_writing(url)
        for model in models:
            yield from _look_at_model(store, model, trust)
    except InvalidKey as error:
        yield wrong(_PART, str(error), "mend PREDICTQ_TRUST, or the file it names: no worker starts with it")
    except RegistryError as error:
        yield wrong(_PART, str(error), "check --registry or PREDICTQ_REGISTRY_URL, and the rights to it")


def _listed(url: str, models: list[str]) -> Finding:
    from predictq_broker import masked

    if not models:
        do = "publish a release: predictq publish MODEL FILE --sample FILE --alias production"
        return remarkable(_PART, f"{masked(url)} holds no releases", do)
    return fine(_PART, f"{masked(url)} holds {len(models)} models: {', '.join(models[:10])}")


def _look_at_writing(url: str) -> Iterator[Finding]:
    """Writes a small file under a name no model can have, and removes it."""
    from fsspec.core import url_to_fs

    try:
        filesystem, root = url_to_fs(url)
        if not filesystem.exists(root):
            return  # the first publish makes it; not for a look to do
        probe = f"{root.rstrip('/')}/.predictq-doctor-{uuid.uuid4().hex}"
        filesystem.pipe_file(probe, b"probe")
        filesystem.rm_file(probe)
    except Exception as error:  # noqa: BLE001  a store may raise whatever it likes; its answer is the finding
        yield remarkable(
            _PART, f"cannot be written: {error}", "enough for workers; to publish, ask for the right to write"
        )
    else:
        yield fine(_PART, "can be written")


def _look_at_model(store: Registry, model: str, trust: Trust) -> Iterator[Finding]:
    from predictq_registry import RegistryError

    try:
        versions = store.versions(model)
        table = dict(store.aliases(model).table)
    except RegistryError as error:
        yield wrong(_PART, f"{model}: {error}", "restore the file from a backup")
        return
    if not table:
        do = f"predictq models alias {model} production {versions[-1]}"
        yield remarkable(_PART, f"{model}: no alias names a release, so requests find none", do)
    for alias, version in table.items():
        if version not in versions:
            do = f"predictq models rollback {model} {alias}, or restore the release"
            yield wrong(_PART, f"{model}: {alias} names version {version}, which is not there", do)
    for version in sorted(set(table.values()) & set(versions)):
        yield from _look_at_release(store, model, version, trust)


def _look_at_release(store: Registry, model: str, version: int, trust: Trust) -> Iterator[Finding]:
    from predictq_registry import RegistryError, UntrustedRelease, verify

    try:
        verified = verify(store.fetch(model, version), trust)
    except UntrustedRelease as error:
        do = "ask its publisher for the key, and trust it if you trust them; a worker told otherwise may load it"
        yield remarkable(_PART, f"a worker with this environment would not load it: {error}", do)
    except RegistryError as error:
        yield wrong(_PART, f"{model} version {version}: {error}", _elsewhere(model))
    else:
        by = f"signed by {verified.signed_by}" if verified.signed_by else "unsigned"
        yield fine(_PART, f"{model} version {version}: {verified.runtime.name}, {by}, its files have their digests")
        yield from _look_at_libraries(verified.manifest)


def _elsewhere(model: str) -> str:
    return f"no worker will load it; predictq models rollback {model}, or publish again"


def _look_at_libraries(manifest: Manifest) -> Iterator[Finding]:
    from predictq_registry.libraries import differences

    differing = differences(manifest.libraries)
    if differing:
        what = f"{manifest.model} version {manifest.version} was made with other versions: {', '.join(differing)}"
        yield remarkable(_PART, what, "its golden rows decide whether it may serve; better publish it again from here")
