"""Formats: what is published in one answers as the model itself does, and holds nothing but what it should."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any, ClassVar

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from predictq_registry import Content, InvalidRelease, Loaded, Registry, Runtime, load
from predictq_registry.archive import pack, unpack
from predictq_registry.conversion import convert
from predictq_registry.inputs.learn import learn
from predictq_registry.runtimes import known, runtime_named

ROWS, LABELS = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[LABELS]
FRAME = pd.DataFrame(ROWS, columns=["a", "b", "c", "d"])
MIXED = pd.DataFrame({"age": [30.0, 40.0, 50.0, 60.0] * 5, "n": [1, 2, 3, 4] * 5, "city": ["A", "B", "A", "C"] * 5})
TEXTS = ["good film", "bad film", "nice and good", "awful, bad"] * 5
HALVES = [1, 0, 1, 0] * 5


def mixed() -> Any:
    columns = ColumnTransformer([("n", StandardScaler(), ["age", "n"]), ("c", OneHotEncoder(), ["city"])])
    return make_pipeline(columns, LogisticRegression()).fit(MIXED, HALVES)


CONVERTED: dict[str, tuple[Callable[[], Any], Any]] = {
    "matrix": (lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, NAMES), ROWS),
    "frame": (lambda: LogisticRegression(max_iter=1000).fit(FRAME, NAMES), FRAME),
    "trees": (lambda: RandomForestClassifier(20, random_state=0).fit(ROWS, LABELS), ROWS),
    "regression": (lambda: LinearRegression().fit(ROWS, ROWS[:, 0] * 3), ROWS),
    "regression trees": (lambda: RandomForestRegressor(5, random_state=0).fit(ROWS, ROWS[:, 0]), ROWS),
    "mixed columns": (mixed, MIXED),
    "texts": (lambda: make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, HALVES), TEXTS),
}


def published(tmp_path: Path, artefact: object, sample: object, *formats: str) -> Loaded:
    registry = Registry(str(tmp_path / "models"))
    version = registry.publish("model", artefact, sample=sample, formats=formats).version
    release = load(registry.fetch("model", version))
    release.check_golden()
    return release


def answers(release: Loaded, rows: Any, method: str = "predict") -> Any:
    sent = rows.to_dict("records") if isinstance(rows, pd.DataFrame) else list(rows)
    sent = [row.tolist() if isinstance(row, np.ndarray) else row for row in sent]
    signature = release.manifest.signature
    return release.call(method, signature.assemble([signature.check(sent)]))


@pytest.mark.parametrize("to", ["onnx", "skops"])
@pytest.mark.parametrize("kind", CONVERTED)
def test_a_converted_model_answers_as_the_model_does(kind: str, to: str, tmp_path: Path) -> None:
    pytest.importorskip("skl2onnx" if to == "onnx" else "skops")
    make, rows = CONVERTED[kind]
    model = make()
    release = published(tmp_path, model, rows, to)
    assert release.manifest.runtime == to
    expected = model.predict(rows)
    if kind.startswith("regression"):
        assert answers(release, rows) == pytest.approx(expected, rel=1e-5)
    else:
        assert answers(release, rows).tolist() == expected.tolist()
        assert answers(release, rows, "predict_proba") == pytest.approx(model.predict_proba(rows), abs=1e-5)
    parity = release.manifest.options["parity"]
    assert parity["rows"] == len(rows)
    assert parity["difference"] < 1e-5


def test_a_converter_that_fails_says_why_and_the_next_format_is_taken(tmp_path: Path) -> None:
    pytest.importorskip("skl2onnx")
    model = make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()).fit(ROWS, LABELS)
    with pytest.raises(InvalidRelease, match=r"not as onnx: skl2onnx cannot convert a Pipeline: .*--format may name"):
        published(tmp_path, model, ROWS, "onnx")
    told: list[str] = []
    registry = Registry(str(tmp_path / "models"))
    manifest = registry.publish("model", model, sample=ROWS, formats=["onnx", "skops"], remark=told.append)
    assert manifest.runtime == "skops"
    assert told[0].startswith("not as onnx: skl2onnx cannot convert")
    assert told[0].count("FunctionTransformer is not supported") == 1
    assert "issue" not in told[0]


class Differs(Runtime):
    """A format that forgets: it adds something to what the model answers."""

    name: ClassVar[str] = "differs"
    by: ClassVar[float] = 0.0

    def load(self, content: Content) -> object:
        model: Any = runtime_named("joblib").load(content)
        return Shifted(model, self.by)

    def dump(self, model: object, learnt: Any) -> Any:
        return runtime_named("joblib").dump(model, learnt)


class Shifted:
    def __init__(self, model: Any, by: float) -> None:
        self.model, self.by = model, by

    def predict(self, rows: Any) -> Any:
        return self.model.predict(rows) + (1 if self.by > 100 else 0)

    def predict_proba(self, rows: Any) -> Any:
        return self.model.predict_proba(rows) + self.by


@pytest.mark.parametrize(
    ("by", "sentence"),
    [(1e-4, None), (0.01, "predict_proba is up to 0.01 away"), (101, "predict answers otherwise for")],
)
def test_a_conversion_that_answers_otherwise_is_refused(
    by: float, sentence: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(monkeypatch, Differs)
    monkeypatch.setattr(Differs, "by", by)
    model = LogisticRegression(max_iter=1000).fit(ROWS, LABELS)
    if sentence is None:
        assert convert(model, learn(ROWS, model), ["differs"]).content.options["parity"]["difference"] == pytest.approx(
            by
        )
        return
    with pytest.raises(InvalidRelease, match=sentence):
        convert(model, learn(ROWS, model), ["differs"])


class Spoilt(Differs):
    """A format in which the model gives other values for some flowers, as numpy would hold them."""

    name: ClassVar[str] = "spoilt"
    spoil: ClassVar[Callable[[Any], Any]]

    def load(self, content: Content) -> object:
        return Spoiling(runtime_named("joblib").load(content), type(self).spoil)


class Spoiling:
    def __init__(self, model: Any, spoil: Callable[[Any], Any]) -> None:
        self.predict, self.model, self.spoil = model.predict, model, spoil

    def predict_proba(self, rows: Any) -> Any:
        return self.spoil(self.model.predict_proba(rows))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda found: np.where(found == found.max(), np.nan, found), "predict_proba answers otherwise for 1 of 450"),
        (lambda found: found[:, :2], "predict_proba answers 300 values instead of 450"),
    ],
)
def test_numbers_that_are_none_or_too_few_are_no_parity(
    spoil: Callable[[Any], Any], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(monkeypatch, Spoilt)
    monkeypatch.setattr(Spoilt, "spoil", spoil, raising=False)
    model = LogisticRegression(max_iter=1000).fit(ROWS, LABELS)
    with pytest.raises(InvalidRelease, match=sentence):
        convert(model, learn(ROWS, model), ["spoilt"])


def bring(monkeypatch: pytest.MonkeyPatch, runtime: type[Runtime]) -> None:
    """As an installed package does by its entry point."""
    entry = EntryPoint(runtime.name, f"{runtime.__module__}:{runtime.__name__}", "predictq.runtimes")
    monkeypatch.setattr(EntryPoint, "load", lambda _: runtime)

    def entry_points(group: str, name: str | None = None) -> EntryPoints:
        assert group == "predictq.runtimes"
        return EntryPoints([entry] if name in (None, entry.name) else [])

    monkeypatch.setattr(known, "entry_points", entry_points)


class Sums(Runtime):
    """A runtime as somebody else would write it."""

    name: ClassVar[str] = "sums"
    endings: ClassVar[tuple[str, ...]] = (".sums",)

    def load(self, content: Content) -> object:
        return Sum(float(content.only))

    def runs_code(self, content: Content) -> bool:
        del content
        return False


class Sum:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def predict(self, rows: Any) -> Any:
        return rows.sum(axis=1) * self.factor


def test_a_runtime_of_ones_own_is_a_small_class_found_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidRelease, match="the runtime 'sums' is not known here"):
        runtime_named("sums")
    bring(monkeypatch, Sums)
    (tmp_path / "model.sums").write_text("2")
    release = published(tmp_path, tmp_path / "model.sums", [[1.0, 2.0], [3.0, 4.0]])
    assert release.manifest.runtime == "sums"
    assert answers(release, [[1.0, 1.0]]).tolist() == [4.0]


def native(name: str, rows: Any, folder: Path) -> tuple[Path, Any]:
    """A file as the library itself writes it, and the model."""
    if name == "xgboost":
        model: Any = pytest.importorskip("xgboost").XGBClassifier(n_estimators=5).fit(rows, LABELS)
        model.save_model(folder / "model.json")
        return folder / "model.json", model
    if name == "lightgbm":
        model = pytest.importorskip("lightgbm").LGBMClassifier(n_estimators=5, verbose=-1).fit(rows, LABELS)
        model.booster_.save_model(folder / "model.txt")
        return folder / "model.txt", model
    catboost = pytest.importorskip("catboost")
    model = catboost.CatBoostClassifier(iterations=5, verbose=0, allow_writing_files=False).fit(rows, NAMES)
    model.save_model(str(folder / "model.cbm"))
    return folder / "model.cbm", model


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "catboost"])
def test_trees_are_served_from_their_librarys_own_file_and_from_the_model(name: str, tmp_path: Path) -> None:
    rows = FRAME if name == "lightgbm" else ROWS
    path, model = native(name, rows, tmp_path)
    for artefact, formats in ((path, ()), (model, (name,))):
        release = published(tmp_path, artefact, rows, *formats)
        assert release.manifest.runtime == name
        assert release.manifest.methods[:2] == ("predict", "predict_proba")
        assert answers(release, rows).tolist() == np.asarray(model.predict(rows)).ravel().tolist()
        assert answers(release, rows, "predict_proba") == pytest.approx(model.predict_proba(rows), abs=1e-6)
        assert set(release.manifest.libraries) & {name, "xgboost-cpu"}


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "catboost"])
def test_trees_take_their_columns_by_name_in_whichever_order_the_sample_has_them(name: str, tmp_path: Path) -> None:
    columns = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
    frame = pd.DataFrame(ROWS, columns=columns)
    path, model = native(name, frame, tmp_path)
    expected = np.asarray(model.predict(frame)).ravel().tolist()
    for artefact, formats in ((path, ()), (model, (name,)), (model, ("joblib",))):
        release = published(tmp_path, artefact, frame[columns[::-1]], *formats)
        assert [column.name for column in release.manifest.signature.columns] == columns
        assert np.asarray(answers(release, frame[columns[::-1]])).ravel().tolist() == expected


def test_a_path_says_its_format_and_converts_to_another(tmp_path: Path) -> None:
    skops = pytest.importorskip("skops.io")
    model = LogisticRegression(max_iter=1000).fit(ROWS, LABELS)
    skops.dump(model, tmp_path / "model.skops")
    joblib.dump(model, tmp_path / "model.pkl")
    assert published(tmp_path, tmp_path / "model.skops", ROWS).manifest.runtime == "skops"
    assert published(tmp_path, tmp_path / "model.pkl", ROWS).manifest.runtime == "joblib"
    assert published(tmp_path, tmp_path / "model.pkl", ROWS, "skops").manifest.runtime == "skops"
    assert published(tmp_path, tmp_path / "model.skops", ROWS, "joblib").manifest.runtime == "joblib"


def test_skops_names_the_types_that_it_does_not_know(tmp_path: Path) -> None:
    pytest.importorskip("skops")
    model = HistGradientBoostingClassifier(max_iter=2).fit(ROWS, LABELS)
    release = published(tmp_path, model, ROWS, "skops")
    assert release.manifest.options["types"] == ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]
    assert release.signed_by  # such a release is code


# ── what is too much, or leads out ──


def test_a_skops_file_that_would_fill_the_memory_is_not_unpacked() -> None:
    pytest.importorskip("skops")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in range(4):
            archive.writestr(f"{part}.npy", bytes(32 << 20))
    with pytest.raises(InvalidRelease, match="would unpack to 134217728"):
        runtime_named("skops").load(Content({"model": buffer.getvalue()}))


@pytest.mark.parametrize("place", ["weights.bin", "../weights.bin", "/etc/hostname", "{folder}/weights.bin"])
def test_an_onnx_file_with_its_weights_elsewhere_is_refused(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    (tmp_path / "weights.bin").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here" if place.startswith("..") else tmp_path)
    data = with_weights_at(onnx, place.format(folder=tmp_path))
    with pytest.raises(Exception, match=r"External data path|initializer"):
        runtime_named("onnx").load(Content({"model": data}))


def with_weights_at(onnx: Any, place: str) -> bytes:
    weights = onnx.TensorProto(name="W", data_type=1, dims=[4], data_location=onnx.TensorProto.EXTERNAL)
    for key, value in {"location": place, "offset": "0", "length": "16"}.items():
        weights.external_data.add(key=key, value=value)
    ends = [onnx.helper.make_tensor_value_info(name, 1, [None, 4]) for name in "XY"]
    node = onnx.helper.make_node("Add", ["X", "W"], ["Y"])
    graph = onnx.helper.make_graph([node], "g", ends[:1], ends[1:], [weights])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


def member(
    name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"x", link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, len(data) if kind == tarfile.REGTYPE else 0, link
    return info, data


@pytest.mark.parametrize(
    "members",
    [
        [member("../out")],
        [member("a/../../out")],
        [member("/out")],
        [member("./a")],
        [member("a//b")],
        [member("a\\..\\b")],
        [member("a", tarfile.SYMTYPE, link="/etc/passwd")],
        [member("a", tarfile.LNKTYPE, link="../out")],
        [member("a", tarfile.CHRTYPE)],
        [member("a", tarfile.FIFOTYPE)],
        [member("a", tarfile.DIRTYPE)],
        [member("a"), member("a")],
        [member("a"), member("A")],
        [member("a", tarfile.SYMTYPE, link=".."), member("a/out")],
        [member("x" * 2000)],
    ],
    ids=lambda members: f"{members[0][0].name[:20]} {members[0][0].type!r} {len(members)}",
)
def test_an_archive_of_anything_but_plain_files_is_refused_before_anything_is_written(
    members: list[tuple[tarfile.TarInfo, bytes]], tmp_path: Path
) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for info, data in [member("first"), *members]:
            tar.addfile(info, io.BytesIO(data))
    (tmp_path / "in").mkdir()
    with pytest.raises(InvalidRelease):
        unpack(buffer.getvalue(), str(tmp_path / "in"))
    assert list((tmp_path / "in").iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_folder_is_the_same_bytes_each_time_and_comes_back_whole(tmp_path: Path) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    (source / "deep/er").mkdir(parents=True)
    back.mkdir()
    for name in ("MLmodel", "deep/data.txt", "deep/er/x"):
        (source / name).write_text(name)
    data = pack(source)
    (source / "MLmodel").touch()
    assert pack(source) == data
    unpack(data, str(back))
    assert {path.relative_to(back).as_posix(): path.read_text() for path in back.rglob("*") if path.is_file()} == {
        name: name for name in ("MLmodel", "deep/data.txt", "deep/er/x")
    }
    (source / "link").symlink_to("/etc/passwd")
    with pytest.raises(InvalidRelease, match="is no plain file"):
        pack(source)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of MLflow about itself
def test_a_folder_that_mlflow_saved_is_served(tmp_path: Path) -> None:
    sklearn_flavour = pytest.importorskip("mlflow.sklearn")
    model = LogisticRegression(max_iter=1000).fit(ROWS, LABELS)
    sklearn_flavour.save_model(model, str(tmp_path / "saved"))
    for artefact in (tmp_path / "saved", f"mlflow:{tmp_path}/saved"):
        release = published(tmp_path, artefact, ROWS)
        assert release.manifest.runtime == "mlflow"
        assert answers(release, ROWS).tolist() == model.predict(ROWS).tolist()
    native_again = published(tmp_path, tmp_path / "saved", ROWS, "joblib")
    assert "predict_proba" in native_again.manifest.methods


def test_a_folder_that_is_no_mlflow_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidRelease, match="has no file 'MLmodel'"):
        Registry(str(tmp_path / "models")).publish("iris", tmp_path)
