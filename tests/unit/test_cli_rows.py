"""Rows from files, pipes and the command line."""

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from predictq_cli.exits import Exit, Stop
from predictq_cli.rows import open_rows
from predictq_cli.rows.csv_rows import CsvForm

ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


def read(text: str, form: str | None = None) -> list[Any]:
    with open_rows(text, form, CsvForm()) as source:
        return list(source.rows)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.csv", "a,b\n1,x\n2,y\n"),
        ("rows.tsv", "a\tb\n1\tx\n2\ty\n"),
        ("rows.json", '[{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]'),
        ("rows.jsonl", '{"a": 1, "b": "x"}\n\n{"a": 2, "b": "y"}\n'),
        ("rows.NDJSON", '{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}'),
    ],
)
def test_a_file_is_read_by_its_ending(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read(str(tmp_path / name)) == ROWS


def test_parquet_gives_records_and_npy_gives_rows(tmp_path: Path) -> None:
    pd.DataFrame(ROWS).to_parquet(tmp_path / "rows.parquet")
    np.save(tmp_path / "rows.npy", np.array([[1.0, 2.0]]))
    assert read(str(tmp_path / "rows.parquet")) == ROWS
    assert read(str(tmp_path / "rows.npy"))[0].tolist() == [1.0, 2.0]


def test_lines_of_a_text_file_are_texts(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("great film\nso so\n")
    assert read(str(tmp_path / "rows.txt")) == ["great film", "so so"]


def test_rows_may_be_written_on_the_command_line_and_one_record_is_one_row() -> None:
    assert read("[[1, 2]]") == [[1, 2]]
    assert read('{"a": 1}') == [{"a": 1}]


@pytest.mark.parametrize(
    ("piped", "rows"),
    [
        (b"a,b\n1,x\n", [{"a": 1, "b": "x"}]),
        (b'{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        (b'[{"a": 1},\n {"a": 2}]', [{"a": 1}, {"a": 2}]),
        (b"[[1, 2], [3, 4]]", [[1, 2], [3, 4]]),
        (b"[1, 2]\n[3, 4]\n", [[1, 2], [3, 4]]),
        (b'"great film"\n"so so"\n', ["great film", "so so"]),
    ],
)
def test_a_pipe_is_known_by_how_it_begins(piped: bytes, rows: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(piped)))
    assert read("-") == rows


@pytest.mark.parametrize(
    ("text", "form", "complaint"),
    [
        ("nowhere.csv", None, "there is no file 'nowhere.csv'"),
        ("[[1, 2", None, "the rows: not JSON"),
        ("[[1]]", "xml", "--format 'xml' is not known"),
    ],
)
def test_wrong_input_is_wrong_usage(text: str, form: str | None, complaint: str) -> None:
    with pytest.raises(Stop) as told:
        read(text, form)
    assert told.value.code is Exit.USAGE
    assert complaint in str(told.value)


def test_a_broken_line_is_named_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"a": 1}\n{"a"\n')
    with pytest.raises(Stop, match=r"rows\.jsonl line 2: not JSON"):
        read(str(tmp_path / "rows.jsonl"))


def test_a_file_that_is_no_parquet_says_so(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_text("not so")
    with pytest.raises(Stop, match="cannot be read as Parquet"):
        read(str(tmp_path / "rows.parquet"))
