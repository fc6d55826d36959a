"""Files and pipes as people have them: rows, or a sentence that says what cannot be read."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import pytest
from fuzzing import effort, flipped, soon
from hypothesis import given
from hypothesis import strategies as st

from predictq_cli.exits import Stop
from predictq_cli.rows import open_rows
from predictq_cli.rows.csv_rows import CsvForm, csv_rows
from predictq_cli.rows.readers import array, document, json_lines, parquet, text_lines

cells = st.text(max_size=6) | st.sampled_from(
    ["", "NA", "1", "1.5", "1e999", "9" * 30, "9" * 5000, "true", '"', '""', "a,b", "\0", "\r", "é"]
)
lines = st.lists(st.lists(cells, min_size=1, max_size=3).map(",".join), max_size=4).map("\n".join).map(str.encode)
documents = (
    st.recursive(st.none() | st.integers() | st.floats() | cells, st.lists, max_leaves=6)
    .map(json.dumps)
    .map(str.encode)
)


def saved(write: Callable[[io.BytesIO], Any]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


ARRAY = saved(lambda file: np.save(file, np.ones((3, 2))))
OBJECTS = saved(lambda file: np.save(file, np.array([{}], object), allow_pickle=True))
ZIPPED = saved(lambda file: np.savez(file, a=np.ones(2)))
PARQUET = saved(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}).to_parquet)
forms = st.builds(CsvForm, st.just(()) | st.just(("a",)), st.booleans(), st.booleans(), st.sampled_from(",;\t"))


@given(lines | flipped(lines) | st.binary(max_size=60), forms)
@effort(600, 20_000)
def test_any_csv_is_rows_or_a_sentence(data: bytes, form: CsvForm) -> None:
    read(lambda file: csv_rows(file, "x.csv", form), data)


@given(documents | flipped(documents) | st.binary(max_size=60))
@effort(400, 20_000)
def test_any_json_and_any_text_is_rows_or_a_sentence(data: bytes) -> None:
    read(lambda file: document(file.read(), "x.json"), data)
    read(lambda file: json_lines(file, "x.jsonl"), data)
    read(lambda file: text_lines(file, "x.txt"), data)


arrays = st.sampled_from([ARRAY, OBJECTS, ZIPPED])


@given(arrays | flipped(arrays) | st.binary(max_size=60))
@effort(400, 20_000)
def test_any_npy_file_is_an_array_or_a_sentence(data: bytes) -> None:
    read(lambda file: array(file, "x.npy"), data)


@given(flipped(st.just(PARQUET)) | st.binary(max_size=60))
@effort(300, 10_000)
def test_any_parquet_file_is_rows_or_a_sentence(data: bytes) -> None:
    read(lambda file: parquet(file, "x.parquet"), data)


def read(reader: Callable[[IO[bytes]], Any], data: bytes) -> None:
    with soon():
        try:
            found = reader(io.BytesIO(data))
            list(found) if isinstance(found, Iterator) else found
        except Stop as stop:
            assert str(stop).startswith("x.")  # noqa: PT017  any other exception is the failure


@given(st.text(max_size=30), st.none() | st.sampled_from(["csv", "json", "npy", "nonsense", ""]))
@effort(300, 10_000)
def test_any_argument_is_rows_a_file_or_a_sentence(text: str, form: str | None) -> None:
    if text == "-":
        return
    try:
        with open_rows(text, form, CsvForm()) as source:
            assert source.rows is not None
    except Stop as stop:
        assert str(stop)  # noqa: PT017  any other exception is the failure


@pytest.fixture(autouse=True)
def _in_an_empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
