"""CSV as typed rows."""

import csv
import io
import math
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictq_cli.exits import Stop
from predictq_cli.rows.csv_rows import CsvForm, csv_rows


def read(data: bytes, **form: Any) -> list[Any]:
    return list(csv_rows(io.BytesIO(data), "rows.csv", CsvForm(**form)))


def test_a_column_is_what_all_of_its_cells_are() -> None:
    found = read(b"whole,part,word,yes\n1,1,1,true\n2,2.5,x,false\n")
    assert found == [
        {"whole": 1, "part": 1.0, "word": "1", "yes": True},
        {"whole": 2, "part": 2.5, "word": "x", "yes": False},
    ]
    assert [type(value) for value in found[0].values()] == [int, float, str, bool]


def test_a_missing_cell_is_null_and_does_not_change_its_column() -> None:
    assert read(b"a,b\n1,x\n,NA\n3,y\n") == [{"a": 1, "b": "x"}, {"a": None, "b": None}, {"a": 3, "b": "y"}]


def test_a_type_that_shows_late_holds_from_the_first_row() -> None:
    rows = b"a\n" + b"1\n" * 5000 + b"x\n"
    assert read(rows)[0] == {"a": "1"}


def test_only_the_columns_asked_for_are_sent_in_the_order_asked_for() -> None:
    assert read(b"a,b,c\n1,2,x\n", columns=("b", "a"), named=False) == [[2, 1]]


def test_without_a_header_the_first_line_is_a_row() -> None:
    assert read(b"1,2\n3,4\n", header=False) == [[1, 2], [3, 4]]


def test_a_byte_order_mark_and_blank_lines_are_no_data() -> None:
    assert read(b"\xef\xbb\xbfa,b\r\n\r\n1,2\r\n") == [{"a": 1, "b": 2}]


def test_what_python_alone_would_take_for_a_number_is_text() -> None:
    assert read(b"a\n1_000\n") == [{"a": "1_000"}]
    assert read("a\n٣\n".encode()) == [{"a": "٣"}]


@pytest.mark.parametrize(
    ("data", "form", "complaint"),
    [
        (b"a,b\n1,2\n3\n", {}, "rows.csv: row 1 (the first is 0) has 1 cells; the first line has 2"),
        (b"a,b\n1,2\n", {"columns": ("z",)}, "rows.csv: there is no column 'z'; there are a, b"),
        (b"a\n\xff\n", {}, "rows.csv: not UTF-8; convert it first"),
        (b"", {}, "rows.csv: is empty"),
    ],
)
def test_what_cannot_be_read_is_told_in_a_sentence(data: bytes, form: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Stop) as told:
        read(data, **form)
    assert str(told.value) == complaint


CELLS = st.sampled_from(
    ["1", "-7", "+3", "007", "2.5", ".5", "1e3", "", "NA", "nan", "x", "true", "False", "TRUE", "1x"]
)


@given(st.lists(st.tuples(CELLS, CELLS, st.just("end")), min_size=1, max_size=8))
def test_a_file_reads_as_pandas_reads_it(rows: list[tuple[str, ...]]) -> None:
    file = io.StringIO()
    csv.writer(file).writerows([("a", "b", "c"), *rows])
    data = file.getvalue().encode()
    frame = pd.read_csv(io.BytesIO(data))
    expected = [{name: plain(value) for name, value in row.items()} for row in frame.to_dict("records")]
    assert read(data) == expected


def plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
