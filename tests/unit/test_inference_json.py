"""JSON bodies: what becomes rows, and the sentence for everything that does not."""

import time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictq_broker.messages import Code
from predictq_worker.inference import BadBody, Limits
from predictq_worker.inference.json_body import MAX_DEPTH, decode_json

LIMITS = Limits(max_body_bytes=10_000, max_rows=100)


def refusal(body: bytes, limits: Limits = LIMITS) -> BadBody:
    with pytest.raises(BadBody) as caught:
        decode_json(body, limits)
    return caught.value


@pytest.mark.parametrize("rows", [[[5.1, 3.5]], [{"age": 41, "job": None}], ["great film"], [[1], [2]]])
def test_rows_records_and_texts_come_out_as_they_went_in(rows: list[object]) -> None:
    assert decode_json(orjson.dumps(rows), LIMITS) == rows


@pytest.mark.parametrize("body", [b"[[NaN]]", b"[[Infinity]]", b"[[-Infinity]]", b"[[1, NaN]]", b'[{"a": NaN}]'])
def test_bare_nan_and_infinity_are_refused_with_the_advice_to_send_null(body: bytes) -> None:
    assert "send null for a missing value" in refusal(body).message


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\xef\xbb\xbf[[1]]", "byte order mark"),
        ("[[1]]".encode("utf-16"), "UTF-16"),
        ("[[1]]".encode("utf-16-le"), "UTF-16"),
        ("[[1]]".encode("utf-32"), "UTF-16 or UTF-32"),
        ('["é"]'.encode("latin-1"), "not valid UTF-8"),
        (b'["\\ud800"]', "surrogate"),
        (b'["\xed\xa0\x80"]', "not valid UTF-8"),
        (b"[[1e999]]", "infinity"),
        (b"[[" + b"9" * 5000 + b"]]", "infinity"),
        (b"[[1]", "not JSON"),
        (b"[[1]] [[2]]", "not JSON"),
        (b"[[1]],[[2]]", "not JSON"),
        (b"\x80\x04\x95", "not JSON"),
        (b"[]", "no rows"),
        (b"{}", "an object"),
        (b'"text"', "a text"),
        (b"null", "null"),
        (b"false", "true, false or null"),
        (b"true", "true, false or null"),
        (b"3", "a number"),
    ],
)
def test_what_is_not_an_array_of_rows_is_refused_in_words(body: bytes, said: str) -> None:
    problem = refusal(body)
    assert problem.code is Code.INVALID_INPUT
    assert said in problem.message


def test_a_syntax_error_is_placed() -> None:
    assert "line 2 column 5" in refusal(b"[[1,\n2], x]").message


def test_depth_is_counted_to_the_limit_and_not_beyond() -> None:
    assert decode_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, LIMITS)
    assert "deeper than 32" in refusal(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)).message
    assert "deeper than 32" in refusal(b'[{"a":' * 17 + b"1" + b"}]" * 17).message
    assert decode_json(b'[{"a":' * 16 + b"1" + b"}]" * 16, LIMITS)


def test_many_shallow_rows_are_not_deep() -> None:
    assert len(decode_json(orjson.dumps([[1, 2]] * 90), LIMITS)) == 90


def test_brackets_inside_texts_neither_deepen_nor_hide_depth() -> None:
    assert decode_json(orjson.dumps(["[" * 200, '\\"[[{{' * 50]), LIMITS)
    hidden = b'[1,"]]",' * 40 + b"1" + b"]" * 40
    assert "deeper than 32" in refusal(hidden).message


def test_a_hundred_thousand_open_brackets_cost_no_time() -> None:
    start = time.perf_counter()
    assert "deeper" in refusal(b"[" * 100_000, Limits()).message
    assert "deeper" in refusal(b"[" * 50_000 + b"]" * 50_000, Limits()).message
    assert time.perf_counter() - start < 1


def test_a_text_that_never_ends_costs_linear_time() -> None:
    start = time.perf_counter()
    refusal(b"[" * 33 + b'"' + b'\\"' * 1_000_000, Limits())
    assert time.perf_counter() - start < 1


def test_a_body_may_be_exactly_as_large_as_the_limit_and_not_a_byte_larger() -> None:
    body = b'["' + b"x" * 9_996 + b'"]'
    assert decode_json(body, LIMITS)
    problem = refusal(body + b" ")
    assert problem.code is Code.TOO_LARGE
    assert "10001 bytes" in problem.message


def test_rows_are_limited() -> None:
    assert len(decode_json(orjson.dumps([[1]] * 100), LIMITS)) == 100
    assert refusal(orjson.dumps([[1]] * 101)).code is Code.TOO_LARGE


@given(st.binary(max_size=300))
def test_random_bytes_give_rows_or_a_typed_refusal(body: bytes) -> None:
    decodes_or_refuses(body)


@given(
    st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.text() | st.none()), min_size=1),
    st.data(),
)
def test_damaged_json_gives_rows_or_a_typed_refusal(rows: list[object], data: st.DataObject) -> None:
    body = bytearray(orjson.dumps(rows))
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] ^= 1 << data.draw(st.integers(0, 7))
    decodes_or_refuses(bytes(body))
    decodes_or_refuses(bytes(body[:place]))


def decodes_or_refuses(body: bytes) -> None:
    match outcome(body):
        case BadBody(code=code, message=message):
            assert code in {Code.INVALID_INPUT, Code.TOO_LARGE}
            assert message
        case rows:
            assert isinstance(rows, list)
            assert rows


def outcome(body: bytes) -> object:
    try:
        return decode_json(body, LIMITS)
    except BadBody as problem:
        return problem
