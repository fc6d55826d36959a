"""No file that would run something when it is unpickled is ever opened by anything that unpickles."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import pytest
from canaries import CANARIES, Canary
from sklearn.linear_model import LogisticRegression

from predictq_registry import Demand, InvalidRelease, Package, Registry, SigningKey, Trust, UntrustedRelease, load
from predictq_registry.manifest import sha256_of
from predictq_registry.signing import sign

ROWS = [[5.1, 3.0], [6.2, 2.5], [7.3, 1.5], [4.4, 3.5]]
WITHOUT_CODE = ["onnx", "skops", "xgboost", "lightgbm", "catboost"]
WITH_CODE = ["joblib", "mlflow"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    Registry(str(folder)).publish("iris", LogisticRegression().fit(ROWS, list("abba")), sample=ROWS)
    return folder


@pytest.fixture
def package(folder: Path) -> Package:
    return Registry(str(folder)).fetch("iris", 1)


def planted(package: Package, runtime: str, data: bytes, **more: Any) -> Package:
    """What somebody who can write to the store would put in place of a release, every digest right."""
    fields = json.loads(package.manifest_bytes)
    file = {"name": "model", "sha256": sha256_of(data), "size": len(data)}
    fields |= {"runtime": runtime, "files": [file], **more}
    return replace(package, manifest_bytes=json.dumps(fields).encode(), files={"model": data})


@pytest.mark.parametrize("runtime", WITHOUT_CODE)
@pytest.mark.parametrize("kind", CANARIES)
def test_a_format_without_code_never_unpickles_though_nothing_need_be_signed(
    kind: str, runtime: str, package: Package, tmp_path: Path
) -> None:
    pytest.importorskip(runtime if runtime != "onnx" else "onnxruntime")
    data = CANARIES[kind](tmp_path / "sang")
    with pytest.raises(InvalidRelease):
        load(planted(package, runtime, data), Trust(demand=Demand.CODE))
    assert not (tmp_path / "sang").exists()


@pytest.mark.parametrize("runtime", WITH_CODE)
@pytest.mark.parametrize("kind", CANARIES)
def test_a_format_with_code_is_not_opened_without_a_signature_of_ours(
    kind: str, runtime: str, package: Package, tmp_path: Path
) -> None:
    data = CANARIES[kind](tmp_path / "sang")
    foreign = SigningKey.ensure(tmp_path / "foreign.key")
    replaced = planted(package, runtime, data)  # with the signature of what was there before
    signed = replace(replaced, signatures=(sign(foreign, replaced.manifest_bytes),))
    for offered in (replace(replaced, signatures=()), replaced, signed):
        for trust in (Trust.of(), Trust.of([str(SigningKey.ensure(tmp_path / "ours.key").public)])):
            with pytest.raises(UntrustedRelease):
                load(offered, trust)
    assert not (tmp_path / "sang").exists()


@pytest.mark.parametrize("kind", CANARIES)
def test_a_file_put_in_the_place_of_another_is_not_opened(kind: str, package: Package, tmp_path: Path) -> None:
    (name, size), *_ = [(file.name, file.size) for file in package.manifest.files]
    data = CANARIES[kind](tmp_path / "sang")
    for swapped in (data, data.ljust(size, b".")[:size]):
        with pytest.raises(InvalidRelease, match="is not what was published"):
            load(replace(package, files={name: swapped}), Trust(demand=Demand.NONE))
    assert not (tmp_path / "sang").exists()


def test_a_skops_file_makes_no_type_that_its_unsigned_manifest_allows_itself(package: Package, tmp_path: Path) -> None:
    data = CANARIES["skops that calls"](tmp_path / "sang")
    with pytest.raises(UntrustedRelease):
        load(planted(package, "skops", data, options={"types": ["posix.mkdir"]}), Trust(demand=Demand.CODE))
    assert not (tmp_path / "sang").exists()


@pytest.mark.parametrize("kind", ["pickle", "cloudpickle", "joblib", "joblib, zlib", "gzip", "bz2", "xz"])
def test_the_canaries_sing_where_they_are_unpickled(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CANARIES[kind](tmp_path / "sang"))
    joblib.load(path)
    assert (tmp_path / "sang").exists()


WRONG_ENDINGS = ["model.onnx", "model.skops", "model.ubj", "model.json", "model.lgb", "model.txt", "model.cbm"]


@pytest.mark.parametrize("name", WRONG_ENDINGS)
@pytest.mark.parametrize("make", [CANARIES["pickle"], CANARIES["joblib, zlib"]])
def test_a_pickle_that_calls_itself_something_else_is_not_unpickled_by_its_publisher(
    name: str, make: Callable[[Path], bytes], tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(make(tmp_path / "sang"))
    with pytest.raises(InvalidRelease, match="cannot be loaded as"):
        Registry(str(tmp_path / "models")).publish("iris", tmp_path / name)
    assert not (tmp_path / "sang").exists()
    assert Canary(tmp_path).path == tmp_path
