"""A registry's files as anybody with a text editor may leave them: each is read, or refused by its name."""

import json
import math
from pathlib import Path
from typing import Any

from fuzzing import effort, flipped, soon
from hypothesis import given
from hypothesis import strategies as st

from predictq_registry import (
    Column,
    InputError,
    InvalidRelease,
    Manifest,
    Registry,
    RegistryError,
    Signature,
    StoreError,
)
from predictq_registry.storage import open_storage

MANIFEST: dict[str, Any] = {
    "schema": 1,
    "model": "iris",
    "version": 3,
    "runtime": "joblib",
    "files": [{"name": "model.joblib", "sha256": "0" * 64, "size": 12}],
    "signature": {"kind": "table", "columns": [{"name": "a", "type": "number", "nullable": True, "categories": None}]},
    "methods": ["predict"],
    "libraries": {"scikit-learn": "1.5"},
    "golden": {"rows": [[1.5]], "outputs": {"predict": [0]}},
    "metrics": {"accuracy": 0.9},
    "author": "a",
    "created": "2026-01-01T00:00:00Z",
    "note": "",
}
ALIASES: dict[str, Any] = {
    "revision": 1,
    "alias": "production",
    "version": 3,
    "previous": None,
    "action": "set",
    "author": "a",
    "at": "2026-01-01T00:00:00Z",
    "note": "",
    "table": {"production": 3},
}

values = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from(
        [
            0,
            -1,
            1,
            2**53,
            2**64,
            10**400,
            math.nan,
            math.inf,
            -0.0,
            "",
            "a",
            "0",
            "../x",
            "\0",
            "matrix",
            "texts",
            "any",
        ]
    )
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def edited(document: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """The document with something else in some places, or with a place gone."""
    edit = st.tuples(st.integers(0, 99), values, st.booleans())
    return st.lists(edit, max_size=3).map(lambda edits: json.dumps(_edited(document, edits)).encode())


def _edited(document: Any, edits: list[tuple[int, Any, bool]]) -> Any:
    copy = json.loads(json.dumps(document))
    for number, value, gone in edits:
        places = list(_places(copy))
        holder, key = places[number % len(places)]
        if gone:
            del holder[key]
        else:
            holder[key] = value
    return copy


def _places(tree: Any) -> Any:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(items):
        yield tree, key
        yield from _places(value)


def files(document: dict[str, Any]) -> st.SearchStrategy[bytes]:
    return edited(document) | flipped(edited(document)) | st.binary(max_size=40)


rows = st.lists(
    st.lists(values, min_size=1, max_size=2) | st.dictionaries(st.sampled_from("ab"), values) | values, max_size=3
)


@given(files(MANIFEST), rows)
@effort(800, 20_000)
def test_any_manifest_is_one_that_can_serve_or_is_refused(data: bytes, asked: list[Any]) -> None:
    with soon():
        try:
            manifest = Manifest.read(data)
        except InvalidRelease as error:
            assert str(error)  # noqa: PT017  any other exception is the failure
            return
        assert Manifest.read(manifest.to_bytes()).to_bytes() == manifest.to_bytes()
        check(manifest.signature, asked)


def check(signature: Signature, asked: object) -> None:
    try:
        checked = signature.check(asked)
    except InputError:
        return
    assert checked.count >= 1
    signature.assemble([checked, checked])


columns = st.builds(
    Column,
    name=st.sampled_from(["a", "b", ""]),
    type=st.sampled_from(["number", "integer", "boolean", "string"]),
    nullable=st.booleans(),
    categories=st.none() | st.just(("x", "y")),
)


@given(
    st.builds(Signature, kind=st.just("matrix"), width=st.integers(1, 3), nullable=st.booleans())
    | st.builds(Signature, kind=st.sampled_from(["texts", "any"]))
    | st.lists(columns, min_size=1, max_size=2, unique_by=lambda column: column.name).map(
        lambda found: Signature(kind="table", columns=tuple(found))
    ),
    rows | values | st.dictionaries(st.sampled_from("ab"), rows),
)
@effort(800, 50_000)
def test_any_rows_fit_a_signature_or_are_refused(signature: Signature, asked: object) -> None:
    with soon():
        check(signature, asked)


@given(files(ALIASES))
@effort(300, 10_000)
def test_any_alias_file_is_a_table_or_is_refused_by_its_name(data: bytes) -> None:
    storage = open_storage("memory://fuzzed-aliases")
    storage.write_once("iris/aliases/000000001.json", data)
    try:
        table = Registry("memory://fuzzed-aliases").aliases("iris").table
    except StoreError as error:
        assert "000000001.json" in str(error)  # noqa: PT017  any other exception is the failure
    else:
        assert all(isinstance(version, int) and version >= 1 for version in table.values())


names = st.text(max_size=12) | st.sampled_from(
    ["..", ".", "a/b", "1", "01", "000000001.json", "-1", "\x7f", "é", "x" * 200]
)


@given(st.lists(names, max_size=4), names, names)
@effort(200, 5_000)
def test_any_names_in_a_store_and_any_reference_are_found_or_refused(there: list[str], model: str, ref: str) -> None:
    registry = Registry("memory://fuzzed-names")
    storage = open_storage("memory://fuzzed-names")
    for name in there:
        storage.write_once(f"iris/releases/{name}/manifest.json", b"{}")
        storage.write_once(f"{name}/releases/1/manifest.json", b"{}")
    for ask in (
        registry.models,
        lambda: registry.versions(model),
        lambda: registry.resolve(model, ref),
        lambda: registry.fetch(model, 1),
    ):
        try:
            ask()
        except RegistryError as error:
            assert str(error)  # noqa: PT017  any other exception is the failure


@given(
    st.text(max_size=40)
    | st.sampled_from(
        ["s3://", "gs://x", "nosuch://x", "http://[", "file://", "a::b", "\0", "memory://", "simplecache::/x"]
    )
)
@effort(200, 5_000)
def test_any_url_of_a_registry_is_one_or_is_refused(url: str) -> None:
    try:
        open_storage(url)
    except StoreError as error:
        assert str(error)  # noqa: PT017  any other exception is the failure


def test_a_folder_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "iris/aliases/000000001.json").mkdir(parents=True)
    try:
        Registry(str(tmp_path)).aliases("iris")
    except StoreError as error:
        assert "000000001.json" in str(error)  # noqa: PT017
    else:
        raise AssertionError("it was read")
