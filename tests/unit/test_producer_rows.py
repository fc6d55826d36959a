"""Whatever rows a caller has become a body, or an error that says what to do."""

import datetime as dt
import decimal
import io
import math

import numpy as np
import orjson
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from predictq import Internal, InvalidInput, Settings, TooLarge
from predictq.outputs import decode
from predictq.rows import chunks, encode
from predictq_broker import ARROW, JSON, NPY, Code, Result

SETTINGS = Settings()
MISSING = [{"age": 41.0, "job": "nurse"}, {"age": None, "job": "judge"}]


@pytest.mark.parametrize(
    ("rows", "sent"),
    [
        ([[5.1, 3.5], [1.4, 0.2]], [[5.1, 3.5], [1.4, 0.2]]),
        (([5, True], ["x", None]), [[5, True], ["x", None]]),
        ([(1, 2)], [[1, 2]]),
        ([{"age": 41}], [{"age": 41}]),
        (["great film", "null and void"], ["great film", "null and void"]),
        ([[math.nan, 1.0]], [[None, 1.0]]),
        ([[np.float32(1.5), np.int64(2)]], [[1.5, 2]]),
        ([np.array([1.0, 2.0]), np.array([[3.0], [4.0]])[:, 0]], [[1.0, 2.0], [3.0, 4.0]]),
        ([[pd.NA, np.float64("nan")]], [[None, None]]),
        (pd.DataFrame({"age": [41, np.nan], "job": ["nurse", "judge"]}), MISSING),
        (pl.DataFrame({"age": [41.0, None], "job": ["nurse", "judge"]}), MISSING),
    ],
)
def test_lists_records_texts_and_frames_travel_as_json(rows: object, sent: list[object]) -> None:
    body = encode(rows, SETTINGS)
    assert orjson.loads(body.data) == sent
    assert (body.content_type, body.rows) == (JSON, len(sent))


@pytest.mark.parametrize(
    "array",
    [
        np.array([[5.1, 3.5], [1.4, 0.2]]),
        np.arange(12, dtype=np.int16).reshape(3, 4).T,
        np.array(["great", "film"]),
        np.array([[True], [False]]),
        np.array([[math.inf, math.nan]]),
    ],
)
def test_an_array_travels_as_npy_and_comes_back_equal(array: np.ndarray) -> None:
    body = encode(array, SETTINGS)
    assert (body.content_type, body.rows) == (NPY, len(array))
    back = decode(Result("x", Code.OK, body.data, content_type=NPY))
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype


def test_an_arrow_table_travels_as_a_stream() -> None:
    table = pa.table({"age": [41, 52], "job": ["nurse", None]})
    body = encode(table, SETTINGS)
    assert (body.content_type, body.rows) == (ARROW, 2)
    assert decode(Result("x", Code.OK, body.data, content_type=ARROW)) == table


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([5.1, 3.5], "wrap a single row"),
        ([np.float64(1)], "wrap a single row"),
        ([None], "wrap a single row"),
        ({"age": 41}, "wrap a single record"),
        ("great film", "wrap a single text"),
        (b"bytes", "not bytes"),
        (42, "not int"),
        (None, "not NoneType"),
        (([1] for _ in "ab"), "generator is for map"),
        ([], "no rows"),
        ([[1.0, 2.0], [1.0, math.inf]], "row 1, column 1 is infinite"),
        ([{"age": -math.inf}], "row 0, column 'age' is infinite"),
        ([[[1.0, math.inf]]], "row 0, column 0 is infinite"),
        ([np.array([1.0, math.inf])], "row 0, column 1 is infinite"),
        ([[np.float32("inf")]], "row 0, column 0 is infinite"),
        ([[1], [decimal.Decimal("1.5")]], "row 1, column 0 is of type decimal.Decimal"),
        ([{"at": dt.datetime(2026, 1, 1)}], "column 'at' is of type datetime.datetime"),  # noqa: DTZ001  any time
        ([{"at": pd.Timestamp("2026-01-01")}], "Timestamp"),
        ([{"x": object()}], "column 'x' is of type object"),
        ([{1: 2}], "key must be str"),
        ([[2**70]], "64-bit"),
        (np.array([5.1, 3.5]), "reshape"),
        (np.array(5.1), "reshape"),
        (np.float64(5.1), "no rows"),
        (np.array([[object()]]), "dtype object"),
        (np.array([["2026-01-01"]], dtype="M8[D]"), "dtype datetime64"),
        (np.empty((0, 4)), "no rows"),
        (pd.Series([1.0]), "to_frame"),
        (pd.DataFrame({"a": []}), "no rows"),
        (pd.DataFrame({"at": [pd.Timestamp("2026-01-01")]}), "'at' holds times"),
        (pd.DataFrame([[1, 2]]), "column 0 has no text for a name"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "same name"),
        (pd.DataFrame({"a": [math.inf]}), "row 0, column 'a' is infinite"),
        (pl.Series([1.0]), "to_frame"),
        (pl.LazyFrame({"a": [1]}), "collect"),
        (pl.DataFrame({"at": [dt.date(2026, 1, 1)]}), "'at' holds times"),
        (pa.array([1]), "Arrow table"),
    ],
)
def test_rows_that_cannot_travel_are_refused_with_what_to_do(rows: object, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        encode(rows, SETTINGS)
    assert words in str(caught.value)


def test_a_deeply_nested_row_is_refused_and_does_not_crash() -> None:
    row: list[object] = []
    for _ in range(5000):
        row = [row]
    with pytest.raises(InvalidInput):
        encode([row], SETTINGS)


def test_the_limits_of_one_request_are_inclusive_and_point_to_map() -> None:
    rows = [[1], [2]]
    assert encode(rows, Settings(max_rows=2, max_body=9)).rows == 2
    with pytest.raises(TooLarge, match="use map"):
        encode(rows, Settings(max_rows=1))
    with pytest.raises(TooLarge, match="use map"):
        encode(rows, Settings(max_body=8))


@pytest.mark.parametrize(
    "rows",
    [
        [[n] for n in range(5)],
        ([n] for n in range(5)),
        np.arange(5).reshape(5, 1),
        pd.DataFrame({"a": range(5)}),
        pl.DataFrame({"a": range(5)}),
        pa.table({"a": range(5)}),
    ],
)
def test_chunks_keep_kind_and_order_and_the_last_is_short(rows: object) -> None:
    parts = list(chunks(rows, 2, SETTINGS))
    assert [encode(part, SETTINGS).rows for part in parts] == [2, 2, 1]
    assert [_first(part) for part in parts] == [0, 2, 4]


@pytest.mark.parametrize(
    ("rows", "most", "size"),
    [
        (np.zeros((9000, 4)), 100_000, 4096),
        (np.zeros((9000, 64)), 100_000, 2048),
        (np.zeros((2, 200_000)), 100_000, 1),
        (np.zeros((9000, 4)), 3000, 3000),
        (pa.table({"a": np.zeros(9000)}), 100_000, 4096),
        (pd.DataFrame({"a": np.zeros(9000)}), 100_000, 1000),
        ([[0.0]] * 9000, 100_000, 1000),
        (([0.0] for _ in range(9000)), 100, 100),
    ],
)
def test_a_chunk_of_an_array_is_about_a_megabyte_and_of_anything_else_a_thousand_rows(
    rows: object, most: int, size: int
) -> None:
    assert len(next(chunks(rows, None, Settings(max_rows=most)))) == size


def _first(part: object) -> object:
    match part:
        case list():
            return part[0][0]
        case np.ndarray():
            return part[0, 0]
        case pa.Table():
            return part["a"][0].as_py()
        case _:
            return part["a"].to_list()[0]  # type: ignore[index]  # a frame


def test_a_generator_is_read_only_as_far_as_needed() -> None:
    source = iter([[n] for n in range(10)])
    parts = chunks(source, 3, SETTINGS)
    next(parts)
    assert next(source) == [3]


@pytest.mark.parametrize(("rows", "size"), [([1.0, 2.0], 2), ("text", 2), ({"a": 1}, 2), (42, 2), ([[1]], 0)])
def test_what_is_no_rows_has_no_chunks(rows: object, size: int) -> None:
    with pytest.raises(InvalidInput):
        list(chunks(rows, size, SETTINGS))


def test_outputs_that_are_no_array_are_an_error_and_never_unpickled() -> None:
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    for content, body in ((NPY, file.getvalue()), (NPY, b"junk"), (JSON, b"{"), ("application/x-pickle", b"")):
        with pytest.raises(Exception, match="cannot be read"):
            decode(Result("x", Code.OK, body, content_type=content))


def saved(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


ARRAYS = [
    np.arange(6.0).reshape(2, 3),
    np.arange(6.0).reshape(3, 2).T,
    np.arange(12).reshape(3, 4)[:, ::2],
    np.array([[1.5]], dtype=">f4"),
    np.array([[True, False]]),
    np.array(["great film", "ż"]),
    np.ones((2, 3, 4), np.uint8),
    np.zeros((2, 0)),
]


@pytest.mark.parametrize("array", ARRAYS)
def test_an_array_travels_as_numpy_saves_it(array: np.ndarray) -> None:
    for _ in "twice":  # the header is remembered
        found = np.load(io.BytesIO(encode(array, SETTINGS).data), allow_pickle=False)
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype


@pytest.mark.parametrize("array", ARRAYS)
def test_outputs_are_what_numpy_reads_and_may_be_written_to(array: np.ndarray) -> None:
    result = Result("a", Code.OK, saved(array), "iris", content_type=NPY)
    expected = np.lib.format.read_array(io.BytesIO(result.body), allow_pickle=False)
    for found in (decode(result), decode(result)):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
        assert found.flags.c_contiguous == expected.flags.c_contiguous
        found[:] = found


@pytest.mark.parametrize("body", [b"", saved(np.ones(3))[:-1], saved(np.array([{}], object)), saved(np.ones(3))[:9]])
def test_outputs_that_are_no_array_are_an_error(body: bytes) -> None:
    with pytest.raises(Internal):
        decode(Result("a", Code.OK, body, "iris", content_type=NPY))
