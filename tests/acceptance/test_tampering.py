"""Whoever can write to the store alters a release in every way there is, and puts it under the live alias."""

import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import pytest
from models import Iris
from workers import WorkerProcess, eventually, workers

from predictq import Client
from predictq_registry import Registry, SigningKey
from predictq_registry.manifest import sha256_of
from predictq_registry.signing import SignatureStore, sign

ROW = [5.1, 3.5, 1.4, 0.2]


RANG = "the bell rang"
"""What the worker's log would have in it: a runner's standard error is its own."""


class Site:
    """A worker that serves version 1, its registry as the intruder sees it, and a pickle that rings if it is opened."""

    def __init__(self, folder: Path, worker: WorkerProcess, client: Client) -> None:
        self.models = folder / "models" / "iris"
        self.registry = Registry(str(folder / "models"))
        self.worker = worker
        self.client = client
        self.outside = folder / "outside"

    def manifest_path(self, version: int) -> Path:
        return self.models / "releases" / str(version) / "manifest.json"

    def file_path(self, version: int) -> Path:
        return self.models / "files" / self.registry.manifest("iris", version).files[0].sha256

    def pickle(self) -> bytes:
        buffer = io.BytesIO()
        joblib.dump(Rings(f"echo {RANG} >&2"), buffer)
        return buffer.getvalue()

    def plant(self, version: int, data: bytes, **fields: Any) -> bytes:
        """A manifest in the place of that version's, whose digests are all right; its bytes."""
        file = {"name": "model", "sha256": sha256_of(data), "size": len(data)}
        (self.models / "files" / file["sha256"]).write_bytes(data)  # type: ignore[operator]  # a digest is a text
        known = json.loads(self.manifest_path(version).read_bytes())
        manifest = json.dumps(known | {"files": [file], **fields}).encode()
        overwrite(self.manifest_path(version), manifest)
        return manifest


class Rings:
    """Unpickling it runs a command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


def overwrite(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, trained: Iris) -> Iterator[Site]:
    """It trusts what it trusts if nothing is said: this user's own key, and formats that run no code."""
    folder = tmp_path_factory.mktemp("site")
    Registry(str(folder / "models")).publish("iris", trained.good, sample=trained.rows, alias="production")
    url = f"sqlite:///{folder}/q.db"
    with workers(1, url, str(folder / "models"), models="iris") as (worker,), Client(url) as client:
        yield Site(folder, worker, client)


def flip_a_bit(site: Site, version: int) -> None:
    path = site.file_path(version)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    overwrite(path, bytes(data))


def swap_files(site: Site, version: int) -> None:
    overwrite(site.file_path(version), site.file_path(1).read_bytes())


def swap_for_a_pickle(site: Site, version: int) -> None:
    overwrite(site.file_path(version), site.pickle())


def lead_out(site: Site, version: int) -> None:
    path = site.file_path(version)
    path.rename(site.outside)
    path.symlink_to(site.outside)


def replace_the_manifest(site: Site, version: int) -> None:
    site.plant(version, site.pickle())


def replace_and_sign_it(site: Site, version: int) -> None:
    data = site.plant(version, site.pickle())
    key = SigningKey.ensure(site.outside.with_name("foreign.key"))
    SignatureStore(site.registry._storage, "iris").add(sign(key, data), data)


def say_it_is_harmless(site: Site, version: int) -> None:
    site.plant(version, site.pickle(), runtime="skops")


def say_it_is_a_graph(site: Site, version: int) -> None:
    site.plant(version, site.pickle(), runtime="onnx")


def plant_a_zip_bomb(site: Site, version: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b" " * (512 << 20))
    site.plant(version, buffer.getvalue(), runtime="skops")


def take_an_older_manifest(site: Site, version: int) -> None:
    overwrite(site.manifest_path(version), site.manifest_path(1).read_bytes())


def remove_the_file(site: Site, version: int) -> None:
    site.file_path(version).unlink()


WAYS: dict[str, tuple[Callable[[Site, int], None], str]] = {
    "one bit of the file": (flip_a_bit, "another sha256 than the manifest says"),
    "the file of another release": (swap_files, "is not what was published"),
    "a pickle in the file's place": (swap_for_a_pickle, "is not what was published"),
    "a link out of the folder": (lead_out, "cannot read"),
    "another manifest": (replace_the_manifest, "is not signed"),
    "another manifest, signed by a stranger": (replace_and_sign_it, "whom nobody here trusts"),
    "a pickle said to be skops": (say_it_is_harmless, "it is no skops file"),
    "a pickle said to be ONNX": (say_it_is_a_graph, "cannot be loaded as onnx"),
    "a zip bomb": (plant_a_zip_bomb, "would unpack to"),
    "the manifest of an older release": (take_an_older_manifest, "says it is 'iris' version 1"),
    "no file": (remove_the_file, "is missing"),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_altered_release_gets_no_request_and_runs_nothing(way: str, site: Site, trained: Iris) -> None:
    alter, reason = WAYS[way]
    if way in {"a pickle said to be skops", "a pickle said to be ONNX", "a zip bomb"}:
        pytest.importorskip("skops" if "ONNX" not in way else "onnxruntime")
    other = trained.other
    other.steps[-1][1].way = way  # so that no two releases share a file
    version = site.registry.publish("iris", other, sample=trained.rows).version
    alter(site, version)
    site.registry.set_alias("iris", "production", version)
    refused = eventually(lambda: refusal(site.worker, version), "the worker looks at it")
    assert reason in refused["why"]
    assert site.client.predict("iris", [ROW], timeout=30).version == 1
    assert not site.worker.saw(RANG)
    site.registry.set_alias("iris", "production", 1)


def refusal(worker: WorkerProcess, version: int) -> dict[str, Any] | None:
    event = "release does not serve; what served before goes on"
    return next((told for told in list(worker.events) if told["event"] == event and told["version"] == version), None)


def test_where_everything_is_allowed_the_pickle_would_have_rung(site: Site, trained: Iris, tmp_path: Path) -> None:
    version = site.registry.publish("bell", trained.good, sample=trained.rows, alias="production").version
    site.models = site.models.with_name("bell")
    site.plant(version, site.pickle())
    site.models = site.models.with_name("iris")
    url = f"sqlite:///{tmp_path}/q.db"
    careless = WorkerProcess(url, site.registry.url, models="bell", allow_unsigned=1)
    try:
        eventually(lambda: careless.saw(RANG), "it rings")
    finally:
        careless.close()
