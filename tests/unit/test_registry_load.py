"""Loading: every byte is verified before any of it is trusted."""

import json
import os
import pickle
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from predictq_registry import Demand, InputError, InvalidRelease, Loaded, Package, Registry, Trust
from predictq_registry import load as load_trusted
from predictq_registry.manifest import sha256_of
from predictq_registry.outputs import per_row

ROWS = [[5.1, 3.0], [6.2, 2.5], [7.3, 1.5], [4.4, 3.5]]
LABELS = ["a", "b", "b", "a"]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = Registry(str(tmp_path))
    registry.publish("iris", LogisticRegression().fit(np.array(ROWS), LABELS), sample=ROWS)
    return registry


@pytest.fixture
def package(registry: Registry) -> Package:
    return registry.fetch("iris", 1)


def load(package: Package) -> Loaded:
    """Whoever signed it: here only the bytes count."""
    return load_trusted(package, Trust(demand=Demand.NONE))


class Canary:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def altered(package: Package, change: Callable[[dict[str, Any]], object]) -> Package:
    """The package with another manifest, as someone who can write to the store would leave it."""
    fields = json.loads(package.manifest_bytes)
    change(fields)
    return replace(package, manifest_bytes=json.dumps(fields).encode())


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (flipped, "another sha256"),
        (lambda data: data[:-1], "bytes instead of"),
        (lambda data: data + b"\0", "bytes instead of"),
        (lambda _: b"", "has 0 bytes instead of"),
    ],
    ids=["one bit flipped", "truncated", "longer", "emptied"],
)
def test_an_altered_file_never_loads(
    registry: Registry, tmp_path: Path, damage: Callable[[bytes], bytes], sentence: str
) -> None:
    (file,) = (tmp_path / "iris/files").iterdir()
    data = file.read_bytes()
    file.unlink()
    file.write_bytes(damage(data))
    with pytest.raises(InvalidRelease, match=sentence):
        load(registry.fetch("iris", 1))


def test_a_missing_file_never_loads(registry: Registry, package: Package, tmp_path: Path) -> None:
    with pytest.raises(InvalidRelease, match=r"the file 'model\.joblib' of 'iris' version 1 is missing"):
        load(replace(package, files={}))
    (file,) = (tmp_path / "iris/files").iterdir()
    file.unlink()
    with pytest.raises(InvalidRelease, match=f"the file {file.name} of 'iris' is missing in the registry"):
        registry.fetch("iris", 1)


@pytest.mark.parametrize("write", [joblib.dump, lambda canary, path: path.write_bytes(pickle.dumps(canary))])
def test_a_file_put_in_place_of_another_is_never_unpickled(
    registry: Registry, tmp_path: Path, write: Callable[[Canary, Path], object]
) -> None:
    touched, evil = tmp_path / "touched", tmp_path / "evil"
    write(Canary(touched), evil)
    (file,) = (tmp_path / "iris/files").iterdir()
    padded = evil.read_bytes().ljust(file.stat().st_size, b".")
    for data in (evil.read_bytes(), padded):
        file.unlink()
        file.write_bytes(data)
        with pytest.raises(InvalidRelease):
            load(registry.fetch("iris", 1))
        assert not touched.exists()
    joblib.load(evil)
    assert touched.exists()  # the canary does sing


def test_the_bytes_that_are_verified_are_the_bytes_that_are_loaded(package: Package) -> None:
    assert load(package).estimator.predict(ROWS).tolist() == LABELS
    assert load(pickle.loads(pickle.dumps(package))).manifest.digest == package.manifest.digest  # noqa: S301  our own


def test_the_manifest_that_counts_is_the_one_whose_bytes_are_there(package: Package) -> None:
    data = altered(package, lambda fields: fields.update(note="altered")).manifest_bytes
    release = load(replace(package, manifest_bytes=data))
    assert release.manifest.note == "altered"
    assert release.manifest.digest == f"sha256:{sha256_of(data)}" != package.manifest.digest


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda fields: fields.update(runtime="onxx"), "the runtime 'onxx' is not known here; known are onnx"),
        (lambda fields: fields.update(files=[]), "has 0 files; its runtime takes 1"),
        (lambda fields: fields["files"].append(fields["files"][0]), "names a file twice"),
        (lambda fields: fields["files"][0].update(sha256="0" * 64), "another sha256"),
        (lambda fields: fields["files"][0].update(sha256="A" * 64), "String should match pattern"),
        (lambda fields: fields["files"][0].update(size=-1), "greater than or equal to 0"),
        (lambda fields: fields.update(methods=["__reduce__"]), "methods.0"),
    ],
)
def test_a_manifest_that_asks_for_something_else_is_refused(
    package: Package, change: Callable[[dict[str, Any]], object], sentence: str
) -> None:
    with pytest.raises(InvalidRelease, match=sentence):
        load(altered(package, change))


def test_a_manifest_in_the_place_of_another_version_is_refused(registry: Registry, tmp_path: Path) -> None:
    registry.publish("iris", LogisticRegression().fit(np.array(ROWS), LABELS))
    (tmp_path / "iris/releases/1/manifest.json").replace(tmp_path / "iris/releases/2/manifest.json")
    with pytest.raises(InvalidRelease, match="the manifest of 'iris' version 2 says it is 'iris' version 1"):
        registry.fetch("iris", 2)


def test_a_golden_row_that_comes_out_otherwise_is_refused_with_what_was_expected(package: Package) -> None:
    def other(fields: dict[str, Any]) -> None:
        fields["golden"]["outputs"]["predict"][1] = "c"

    with pytest.raises(InvalidRelease, match="golden row 1, predict: expected 'c', got 'b'"):
        load(altered(package, other)).check_golden()


@pytest.mark.parametrize(("factor", "same"), [(1 + 1e-8, True), (1 + 1e-4, False)])
def test_floats_need_only_be_close(package: Package, factor: float, same: bool) -> None:  # noqa: FBT001  a table
    def scale(fields: dict[str, Any]) -> None:
        values = fields["golden"]["outputs"]["decision_function"]
        values[0] *= factor

    release = load(altered(package, scale))
    if same:
        release.check_golden()
    else:
        with pytest.raises(InvalidRelease, match="golden row 0, decision_function"):
            release.check_golden()


def test_golden_outputs_that_are_fewer_than_the_rows_are_refused(package: Package) -> None:
    with pytest.raises(InvalidRelease, match="4 rows for 3 outputs of predict"):
        load(altered(package, lambda fields: fields["golden"]["outputs"]["predict"].pop())).check_golden()


def test_other_library_versions_are_told(package: Package) -> None:
    def older(fields: dict[str, Any]) -> None:
        fields["libraries"] |= {"scikit-learn": "1.5.0", "gone": "2.0"}
        fields["golden"]["outputs"]["predict"][0] = "c"

    release = load(altered(package, older))
    here = package.manifest.libraries["scikit-learn"]
    assert release.differences == [f"scikit-learn 1.5.0 → {here}", "gone 2.0 → not installed"]
    with pytest.raises(InvalidRelease, match=r"versions differ: scikit-learn 1\.5\.0 → "):
        release.check_golden()


def test_a_model_pickled_by_another_scikit_learn_loads_with_a_warning_that_is_kept(registry: Registry) -> None:
    estimator = LogisticRegression().fit(np.array(ROWS), LABELS)
    estimator.__dict__["_sklearn_version"] = "1.5.0"
    state = type(estimator).__getstate__
    LogisticRegression.__getstate__ = lambda self: state(self) | {"_sklearn_version": "1.5.0"}
    try:
        registry.publish("old", estimator, sample=ROWS)
    finally:
        del LogisticRegression.__getstate__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        release = load(registry.fetch("old", 1))
    assert len(release.warnings) == 1
    assert "from version 1.5.0 when using version" in release.warnings[0]


def test_only_the_methods_of_the_release_can_be_called(package: Package) -> None:
    release = load(package)
    for method in ("fit", "__class__", "predict_nothing", "transform"):
        with pytest.raises(InputError, match=f"has no method '{method}'; it has predict, predict_proba"):
            release.call(method, np.array(ROWS))


def test_a_model_fitted_with_names_predicts_without_a_warning_about_them(registry: Registry) -> None:
    frame = pd.DataFrame(ROWS, columns=["x", "y"])
    registry.publish("named", LogisticRegression().fit(frame, LABELS), sample=ROWS)
    registry.publish("unnamed", LogisticRegression().fit(np.array(ROWS), LABELS), sample=frame)
    for model in ("named", "unnamed"):
        release = load(registry.fetch(model, 1))
        signature = release.manifest.signature
        checked = [signature.check([{"y": 3.0, "x": 5.0}]), signature.check([[7.0, 1.0]])]
        assert release.call("predict", signature.assemble(checked)).tolist() == ["a", "b"]


class Odd:
    """Gives whatever it holds, for each row."""

    def __init__(self, outputs: Callable[[int], object]) -> None:
        self.outputs = outputs

    def predict(self, rows: Any) -> object:
        return self.outputs(len(rows))


def test_frames_and_sparse_outputs_become_arrays() -> None:
    from scipy.sparse import csr_matrix

    for outputs in (pd.DataFrame({"a": range(2)}), csr_matrix(np.arange(2).reshape(-1, 1))):
        got = per_row(outputs)
        assert isinstance(got, np.ndarray)
        assert got.tolist() == [[0], [1]]


def test_targets_that_differ_in_their_number_of_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="number of rows"):
        per_row([np.zeros((2, 2)), np.zeros((3, 2))])


@pytest.mark.parametrize(
    ("outputs", "sentence"),
    [
        (lambda n: np.zeros(n + 1), "predict gives 5 outputs for 4 rows"),
        (lambda _: 7, "TypeError: a int is not one output a row"),
        (lambda n: [object()] * n, "TypeError: a object cannot be sent"),
        (lambda _: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_model_that_does_not_give_an_output_a_row_fails_its_golden_rows(
    package: Package, outputs: Callable[[int], object], sentence: str
) -> None:
    with pytest.raises(InvalidRelease, match=sentence):
        Loaded(Odd(outputs), package.manifest).check_golden()


def test_an_artefact_whose_class_is_gone_is_refused(package: Package) -> None:
    data = pickle.dumps(StandardScaler()).replace(b"sklearn.preprocessing", b"sklearn.preprocessink")
    fake = altered(package, lambda fields: fields["files"][0].update(sha256=sha256_of(data), size=len(data)))
    with pytest.raises(InvalidRelease, match="cannot be loaded as joblib: ModuleNotFoundError"):
        load(replace(fake, files={"model.joblib": data}))
