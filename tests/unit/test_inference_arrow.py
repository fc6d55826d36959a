"""Arrow bodies: plain columns arrive by name; what could grow beyond its bytes is refused before it is read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictq_broker.messages import Code
from predictq_worker.inference import BadBody, Limits
from predictq_worker.inference.arrow_body import decode_arrow

pa = pytest.importorskip("pyarrow")

LIMITS = Limits(max_body_bytes=100_000, max_rows=1000)


def stream(columns: dict[str, Any], chunk: int = 1000, **options: Any) -> bytes:
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=chunk)
    return sink.getvalue().to_pybytes()


def refusal(body: bytes, limits: Limits = LIMITS) -> BadBody:
    with pytest.raises(BadBody) as caught:
        decode_arrow(body, limits)
    return caught.value


def test_columns_arrive_by_name_with_none_where_a_value_is_missing() -> None:
    columns = {
        "age": [41, None, 7],
        "score": [0.5, 1.5, None],
        "job": ["nurse", None, "cook"],
        "kin": pa.array(["a", "b", "a"]).dictionary_encode(),
        "ok": [True, False, None],
        "gone": pa.nulls(3),
        "long": pa.array(["x", "y", "z"], pa.large_string()),
        "small": pa.array([1.5, 2.5, 3.5], pa.float16()),
    }
    expected = {name: values if isinstance(values, list) else values.to_pylist() for name, values in columns.items()}
    assert decode_arrow(stream(columns), LIMITS) == expected
    assert decode_arrow(stream(columns, chunk=1), LIMITS) == expected


def test_a_long_text_named_by_many_rows_is_held_once() -> None:
    words = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int8()), pa.array(["x" * 50_000]))
    texts = decode_arrow(stream({"text": words}), LIMITS)["text"]
    assert len({id(text) for text in texts}) == 1


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_a_compressed_stream_is_refused_before_it_grows(codec: str) -> None:
    bomb = stream({"zeros": pa.array([0.0] * 900)}, compression=codec)
    assert "without compression" in refusal(bomb).message
    words = pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), pa.array(["x" * 50_000]))
    assert "without compression" in refusal(stream({"text": words}, compression=codec)).message


@pytest.mark.parametrize(
    "values",
    [
        pa.array([[1, 2]]),
        pa.array([{"a": 1}]),
        pa.array([b"raw"]),
        pa.array(["x"], pa.string_view()),
        pa.RunEndEncodedArray.from_arrays(pa.array([1]), pa.array([5])),
        pa.array([1], pa.timestamp("s")),
        pa.array([b"raw"]).dictionary_encode(),
    ],
)
def test_a_column_that_is_not_plain_is_named_and_refused(values: Any) -> None:
    assert "column 'bad' is of Arrow type" in refusal(stream({"good": [1], "bad": values})).message


@pytest.mark.parametrize("body", [b"", b"[[1]]", b"ARROW1\0\0", b"\xff\xff\xff\xff\xff\xff\xff\x7f", b"\xff" * 64])
def test_what_is_no_stream_is_refused(body: bytes) -> None:
    problem = refusal(body)
    assert problem.code is Code.INVALID_INPUT
    assert "Arrow" in problem.message


def test_rows_bytes_and_emptiness_are_checked() -> None:
    assert "no rows" in refusal(stream({"a": pa.array([], pa.int64())})).message
    assert refusal(stream({"a": range(1001)})).code is Code.TOO_LARGE
    assert refusal(stream({"a": range(1001)}, chunk=100)).code is Code.TOO_LARGE
    assert refusal(stream({"a": ["x" * 100_000]})).code is Code.TOO_LARGE


def test_two_columns_of_one_name_are_refused() -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    assert "same name" in refusal(sink.getvalue().to_pybytes()).message


@given(st.integers(0, 5000), st.integers(0, 7))
def test_a_damaged_stream_gives_columns_or_a_typed_refusal(place: int, bit: int) -> None:
    body = bytearray(stream({"a": [1, None, 3], "b": ["x", "yy", None]}))
    place %= len(body)
    body[place] ^= 1 << bit
    for damaged in (bytes(body), bytes(body[:place])):
        match outcome(damaged):
            case BadBody(code=code):
                assert code in {Code.INVALID_INPUT, Code.TOO_LARGE}
            case columns:
                assert all(isinstance(values, list) for values in columns.values())


def outcome(body: bytes) -> Any:
    try:
        return decode_arrow(body, LIMITS)
    except BadBody as problem:
        return problem
