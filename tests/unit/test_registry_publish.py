"""Publishing: what a release says, and that it appears whole or not at all."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import joblib
import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from predictq_registry import InvalidName, InvalidRelease, Manifest, Registry, StoreError, UnknownModel, load
from predictq_registry.manifest import sha256_of

ROWS = [[5.1, 3.0], [6.2, 2.5], [7.3, 1.5], [4.4, 3.5]]
LABELS = ["a", "b", "b", "a"]


def model() -> LogisticRegression:
    return LogisticRegression().fit(np.array(ROWS), LABELS)


@pytest.fixture(params=["folder", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "folder":
        yield str(tmp_path / "models")
        return
    yield f"memory://{tmp_path.name}"
    fsspec.filesystem("memory").rm(tmp_path.name, recursive=True)


def test_a_release_can_be_published_found_loaded_and_called(url: str) -> None:
    registry = Registry(url)
    manifest = registry.publish("iris", model(), sample=ROWS, alias="production", metrics={"accuracy": 1}, note="first")
    assert registry.models() == ["iris"]
    assert registry.versions("iris") == [1]
    assert registry.resolve("iris", "production") == registry.resolve("iris", "1") == 1
    release = load(registry.fetch("iris", 1))
    release.check_golden()
    assert release.manifest == manifest
    assert release.warnings == release.differences == []
    signature = release.manifest.signature
    outputs = release.call("predict", signature.assemble([signature.check([[5.0, 3.0]])]))
    assert outputs.tolist() == ["a"]


def test_a_registry_that_is_told_no_place_takes_the_one_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREDICTQ_REGISTRY_URL", str(tmp_path / "elsewhere"))
    Registry().publish("iris", model(), sample=ROWS)
    assert Registry(str(tmp_path / "elsewhere")).models() == ["iris"]
    monkeypatch.setenv("PREDICTQ_REGISTRY_URL", "")
    assert Registry().url == "predictq-models"


def test_a_manifest_says_everything_about_the_release(tmp_path: Path) -> None:
    registry = Registry(str(tmp_path))
    manifest = registry.publish("iris", model(), sample=ROWS, metrics={"accuracy": 0.9}, author="ada", note="why")
    stored = (tmp_path / "iris/releases/1/manifest.json").read_bytes()
    assert manifest.digest == f"sha256:{sha256_of(stored)}"
    assert registry.manifest("iris", 1).digest == manifest.digest
    assert (manifest.author, manifest.note, manifest.metrics) == ("ada", "why", {"accuracy": 0.9})
    assert manifest.methods == ("predict", "predict_proba", "predict_log_proba", "decision_function")
    assert set(manifest.libraries) == {"python", "scikit-learn", "numpy", "pandas", "joblib"}
    assert manifest.created.endswith("+00:00")
    (file,) = manifest.files
    artefact = (tmp_path / "iris/files" / file.sha256).read_bytes()
    assert (sha256_of(artefact), len(artefact)) == (file.sha256, file.size)
    assert manifest.golden is not None
    assert list(manifest.golden.rows) == ROWS
    assert manifest.golden.outputs["predict"] == ("a", "b", "b", "a")


def test_a_manifest_with_fields_of_the_future_is_still_read(tmp_path: Path) -> None:
    registry = Registry(str(tmp_path))
    data = registry.publish("iris", model()).to_bytes()
    newer = data.replace(b"{", b'{"signed_by": ["somebody"],', 1)
    assert Manifest.read(newer).model == "iris"
    assert Manifest.read(newer).digest != Manifest.read(data).digest


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (b'"schema": 1', b'"schema": 2', "has schema 2, this predictq reads up to 1: upgrade"),
        (b'"version": 1', b'"version": "1"', "version: Input should be a valid integer"),
        (b'"model.joblib"', b'"../../escape"', "files.0.name: String should match"),
        (b'"sha256": "', b'"sha256": "../', "files.0.sha256: String should match"),
        (b"{", b"", "not a manifest: Invalid JSON"),
    ],
)
def test_a_manifest_that_is_not_one_is_refused(old: bytes, new: bytes, sentence: str, tmp_path: Path) -> None:
    data = Registry(str(tmp_path)).publish("iris", model()).to_bytes()
    assert old in data
    with pytest.raises(InvalidRelease, match=sentence):
        Manifest.read(data.replace(old, new, 1))


def test_a_manifest_that_was_damaged_is_told_by_its_place(tmp_path: Path) -> None:
    registry = Registry(str(tmp_path))
    registry.publish("iris", model())
    stored = tmp_path / "iris/releases/1/manifest.json"
    stored.chmod(0o600)
    stored.write_text("{")
    with pytest.raises(InvalidRelease, match=r"'iris/releases/1/manifest\.json' in the registry: not a manifest"):
        registry.fetch("iris", 1)


def test_a_manifest_of_immoderate_size_is_not_parsed() -> None:
    with pytest.raises(InvalidRelease, match="at most 16777216 are read"):
        Manifest.read(b" " * (16 << 20) + b"{}")


@pytest.mark.parametrize("form", ["estimator", "bytes", "path", "path as str"])
def test_an_artefact_is_an_estimator_or_what_joblib_made_of_it(form: str, tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(model(), path, compress=3)
    artefact = {"estimator": model(), "bytes": path.read_bytes(), "path": path, "path as str": str(path)}[form]
    registry = Registry(str(tmp_path / "models"))
    registry.publish("iris", artefact, sample=ROWS)
    load(registry.fetch("iris", 1)).check_golden()


def test_the_same_artefact_is_stored_once(tmp_path: Path) -> None:
    registry = Registry(str(tmp_path))
    for expected in (1, 2, 3):
        assert registry.publish("iris", model(), sample=ROWS).version == expected
    assert len(list((tmp_path / "iris/files").iterdir())) == 1


def test_a_damaged_artefact_is_mended_by_publishing_it_again(tmp_path: Path) -> None:
    registry = Registry(str(tmp_path))
    file = tmp_path / "iris/files" / registry.publish("iris", model()).files[0].sha256
    file.unlink()
    file.write_bytes(b"damaged")
    registry.publish("iris", model())
    assert load(registry.fetch("iris", 1)).manifest.version == 1


class NoPredict:
    pass


class Sampler:
    """Answers differently each time."""

    def __init__(self) -> None:
        self.calls = 0

    def predict(self, rows: Any) -> Any:
        self.calls += 1
        return np.full(len(rows), self.calls)


class OnlyPredict:
    """Has a second method, which fails."""

    def predict(self, rows: Any) -> Any:
        return np.asarray(rows)[:, 0]

    def transform(self, rows: Any) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("artefact", "sentence"),
    [
        (NoPredict(), "holds a NoPredict, which has no predict method"),
        (TfidfVectorizer(), "holds a TfidfVectorizer, which has no predict method"),
        (b"not a model", "cannot be loaded as joblib"),
        (b"", "cannot be loaded as joblib"),
        ("no/such/file.joblib", "'no/such/file.joblib' cannot be read: No such file or directory"),
        (lambda rows: rows, "a function cannot be written with joblib"),
        (Sampler(), "answers the same rows differently each time: golden row 0, predict: expected"),
        (LogisticRegression(), "predict fails on the sample: NotFittedError"),
    ],
)
def test_what_cannot_serve_is_not_published(artefact: object, sentence: str, tmp_path: Path) -> None:
    registry = Registry(str(tmp_path / "models"))
    with pytest.raises(InvalidRelease, match=sentence):
        registry.publish("iris", artefact, sample=ROWS)
    assert not (tmp_path / "models").exists()


def test_only_methods_that_work_are_promised(tmp_path: Path) -> None:
    assert Registry(str(tmp_path)).publish("own", OnlyPredict(), sample=ROWS).methods == ("predict",)


def test_a_model_with_several_targets_answers_row_by_row(tmp_path: Path) -> None:
    forest = RandomForestClassifier(n_estimators=2, random_state=0).fit(ROWS, [[0, 1], [1, 2], [1, 1], [0, 2]])
    ragged = RandomForestClassifier(n_estimators=2, random_state=0).fit(ROWS, [[0, 1], [1, 2], [1, 3], [0, 1]])
    registry = Registry(str(tmp_path))
    for estimator in (forest, ragged):
        manifest = registry.publish("many", estimator, sample=ROWS)
        assert manifest.golden is not None
        assert len(manifest.golden.outputs["predict_proba"]) == len(ROWS)
        load(registry.fetch("many", manifest.version)).check_golden()


def test_infinite_outputs_are_kept_as_texts_and_compared(tmp_path: Path) -> None:
    registry = Registry(str(tmp_path))
    always = DummyClassifier(strategy="most_frequent").fit(ROWS, LABELS)
    manifest = registry.publish("dummy", always, sample=ROWS)
    assert manifest.golden is not None
    assert manifest.golden.outputs["predict_log_proba"][0] == [0.0, "-Infinity"]
    load(registry.fetch("dummy", 1)).check_golden()


@pytest.mark.parametrize("name", ["", ".", "..", "../up", "a/b", ".hidden", "a b", "é", "x" * 129, "a\n", "a\0"])
def test_a_name_that_could_leave_the_folder_is_refused_everywhere(name: str, tmp_path: Path) -> None:
    registry = Registry(str(tmp_path))
    with pytest.raises(InvalidName):
        registry.publish(name, model())
    with pytest.raises(InvalidName):
        registry.publish("iris", model(), alias=name)
    with pytest.raises(UnknownModel):
        registry.versions(name)
    with pytest.raises(UnknownModel):
        registry.resolve(name, "production")
    with pytest.raises(UnknownModel):
        registry.fetch(name, 1)
    assert registry.models() == []


def test_what_is_no_model_in_the_folder_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "half/releases/1").mkdir(parents=True)
    (tmp_path / "README.md").write_text("hello")
    registry = Registry(str(tmp_path))
    assert registry.models() == []
    assert registry.publish("half", model()).version == 1


def test_a_release_that_appears_later_is_seen(url: str) -> None:
    reader, writer = Registry(url), Registry(url)
    assert reader.models() == []
    for version in (1, 2):
        writer.publish("iris", model(), alias="production")
        assert reader.versions("iris")[-1] == version
        assert reader.resolve("iris", "production") == version


def test_a_registry_that_may_not_be_written_says_so() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755 if os.geteuid() == 0 else 0o555)
        user = os.geteuid()
        registry, estimator = Registry(f"{folder}/models"), model()
        if user == 0:
            os.seteuid(65534)
        try:
            with pytest.raises(StoreError, match=r"cannot write 'iris/files/.*' in the registry .*: Permission denied"):
                registry.publish("iris", estimator, signer=None)
        finally:
            os.seteuid(user)


def test_a_store_that_cannot_create_exclusively_is_refused_by_name(tmp_path: Path) -> None:
    registry = Registry(f"dir::file://{tmp_path}")
    with pytest.raises(StoreError, match=r"the store 'dir::file://.*' cannot create a file exclusively"):
        registry.publish("iris", model())


def test_an_unknown_store_is_refused() -> None:
    with pytest.raises(StoreError, match="no store for 'nosuch://place'"):
        Registry("nosuch://place")


PUBLISH = """
import sys
from predictq_registry import Registry
from sklearn.dummy import DummyClassifier
estimator = DummyClassifier(strategy="constant", constant=1).fit([[0.0]], [1])
registry = Registry(sys.argv[1])
for turn in range(5):
    print(registry.publish("iris", estimator, sample=[[0.0]], alias="production", note="x" * 500_000).version)
"""
MEET = """
from predictq_registry.releases import ReleaseStore
look = ReleaseStore.versions
def look_and_meet(self, model):
    versions = look(self, model)
    ReleaseStore.versions = look
    print("ready", flush=True)
    input()
    return versions
ReleaseStore.versions = look_and_meet
"""


def start(script: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_many_publishers_at_once_get_versions_of_their_own_and_no_reader_sees_half(tmp_path: Path) -> None:
    registry = Registry(str(tmp_path))
    publishers = [start(MEET + PUBLISH, str(tmp_path)) for _ in range(3)]
    assert [line(publisher) for publisher in publishers] == ["ready"] * 3  # all have seen the same versions
    for publisher in publishers:
        assert publisher.stdin is not None
        publisher.stdin.write("\n")
        publisher.stdin.flush()
    seen = 0
    while any(publisher.poll() is None for publisher in publishers):
        for name in registry.models():
            for version in registry.versions(name):
                assert len(registry.manifest(name, version).note) == 500_000
                seen += 1
        assert registry.aliases("iris").table.get("production", 1) >= 1
    versions = [int(text) for publisher in publishers for text in publisher.communicate()[0].split()]
    assert sorted(versions) == registry.versions("iris") == list(range(1, 16))
    assert registry.aliases("iris").revision == 15
    assert seen
    load(registry.fetch("iris", 15)).check_golden()
    assert not list(tmp_path.rglob(".tmp-*"))


STALL = """
import os, sys
def stall(*_):
    print("stalled", flush=True)
    sys.stdin.read()
setattr(os, sys.argv[2], stall)
""" + PUBLISH.replace("range(5)", "range(1)")


@pytest.mark.parametrize("step", ["replace", "link", "fsync"])
def test_a_publisher_killed_at_any_step_leaves_nothing_visible(step: str, tmp_path: Path) -> None:
    registry = Registry(str(tmp_path))
    registry.publish("iris", model(), alias="production")
    publisher = start(STALL, str(tmp_path), step)
    with publisher:
        assert line(publisher) == "stalled"
        publisher.send_signal(signal.SIGKILL)
    assert registry.versions("iris") == [1]
    assert registry.resolve("iris", "production") == 1
    left = list(tmp_path.rglob(".tmp-*"))
    assert left
    for path in left:
        os.utime(path, (0, 0))
    registry.publish("iris", LogisticRegression(C=2).fit(np.array(ROWS), LABELS))
    assert registry.versions("iris") == [1, 2]
    assert load(registry.fetch("iris", 2)).estimator.C == 2
    assert not [path for path in tmp_path.rglob(".tmp-*") if path.parent.name == "files"]


def test_following_a_registry_brings_no_numpy_pandas_or_scikit_learn(tmp_path: Path) -> None:
    Registry(str(tmp_path)).publish("iris", model(), sample=ROWS, alias="production")
    script = """
import sys
from predictq_registry import Registry, load, Loaded, Signature
registry = Registry(sys.argv[1])
registry.models(), registry.aliases("iris"), registry.fetch("iris", 1), registry.history("iris")
print(sorted({"numpy", "pandas", "sklearn", "joblib", "scipy"} & set(sys.modules)))
"""
    with start(script, str(tmp_path)) as reader:
        assert reader.communicate()[0] == "[]\n"
