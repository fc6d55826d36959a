"""Messages as anybody may write them: whatever the fields hold, they are read, and whoever reads them lives."""

import io
import math
from typing import Any

import numpy as np
import pytest
from fuzzing import effort, flipped, soon
from hypothesis import given
from hypothesis import strategies as st

from predictq import PredictqError
from predictq.prediction import Prediction, prediction_of
from predictq_broker.messages import ARROW, JSON, NPY, Code, Priority, Request, Result, Timings
from predictq_broker.names import is_name
from predictq_broker.wire import format_timings, parse_timings, read_request, read_result, request_fields, result_fields

REQUEST_FIELDS = [
    "id",
    "reply_to",
    "ttl",
    "ref",
    "method",
    "content_type",
    "rows",
    "v",
    "key",
    "traceparent",
    "body",
    "dead.priority",
]
RESULT_FIELDS = ["id", "status", "content_type", "body", "version", "digest", "timings", "retry_after", "route", "wake"]
TELLING = [
    *(
        b"",
        b"0",
        b"-0",
        b"+1",
        b" 1",
        b"1 ",
        b"1_0",
        b"9" * 400,
        b"9" * 5000,
        b"1e9",
        b"1e999",
        b"nan",
        b"inf",
        b"-inf",
    ),
    *(
        b"0x10",
        b"\xd9\xa3",
        b"\xff",
        b"\x00",
        b"a\nb",
        b"{x}",
        b"*",
        b"../x",
        b"\xed\xa0\x80",
        "é".encode(),
        b"-5",
        b"1.5",
    ),
    *(b"ok", b"OK", b"conflict", b"of a later version", b"application/json", b"application/x-npy", b"text/plain"),
    *(
        b"queued;dur=1.2.3, batched;dur=., predicted;dur=9",
        b"queued;dur=" + b"9" * 999 + b", batched;dur=0, predicted;dur=0",
    ),
]
values = st.sampled_from(TELLING) | st.binary(max_size=300) | st.text(max_size=60).map(str.encode)


def fields(names: list[str]) -> st.SearchStrategy[dict[bytes, bytes]]:
    known = st.sampled_from([name.encode() for name in names])
    return st.dictionaries(known | st.binary(max_size=20), values, max_size=12)


@given(fields(REQUEST_FIELDS))
@effort(800, 30_000)
def test_any_fields_are_a_request_or_a_fault_that_says_why(found: dict[bytes, bytes]) -> None:
    with soon():
        request, fault = read_request("iris", Priority.HIGH, found)
    assert not request.id or is_name(request.id)
    assert not request.reply_to or is_name(request.reply_to)
    assert 0 <= request.rows <= 999_999_999
    assert request.ttl is None or math.isfinite(request.ttl)
    assert request.body == found.get(b"body", b"")
    if fault is None:
        assert is_name(request.id)
        assert is_name(request.ref)
        assert is_name(request.method)
        assert b"body" in found
    else:
        assert fault.code in {Code.INVALID_INPUT, Code.UNSUPPORTED_PROTOCOL}
        assert 0 < len(fault.message) < 300


names = st.from_regex(r"\A[A-Za-z0-9._-]{1,128}\Z")


@given(
    st.builds(
        Request,
        model=st.just("iris"),
        body=st.binary(max_size=50),
        id=names,
        ref=names,
        reply_to=st.just("") | names,
        method=names,
        content_type=st.text(max_size=50),
        rows=st.integers(0, 999_999_999),
        ttl=st.none() | st.integers(-10, 366 * 86_400_000).map(lambda ms: ms / 1000),
        priority=st.sampled_from(Priority),
        key=st.text(max_size=50),
        traceparent=st.text(max_size=50),
    )
)
@effort(300, 10_000)
def test_a_sound_request_is_read_as_it_was_written(request: Request) -> None:
    assert read_request("iris", request.priority, mapped(request_fields(request))) == (request, None)


@given(fields(RESULT_FIELDS))
@effort(800, 30_000)
def test_any_fields_are_a_result_that_a_client_can_read(found: dict[bytes, bytes]) -> None:
    with soon():
        result = read_result("iris", found)
        assert isinstance(result.status, Code)
        assert 0 <= result.version <= 999_999_999
        assert 0 <= result.retry_after < math.inf
        assert all(0 <= seconds < math.inf for seconds in result.timings)
        outcome = prediction_of(result)
        str(outcome)
        if isinstance(outcome, Prediction):
            read_outputs(outcome)


def read_outputs(prediction: Prediction) -> None:
    try:
        assert prediction.outputs is not prediction
    except PredictqError as error:
        assert error.code is Code.INTERNAL  # noqa: PT017  either will do, but no other exception


def npy(array: Any, save: Any = np.save) -> bytes:
    file = io.BytesIO()
    save(file, array)
    return file.getvalue()


HUGE = npy(np.ones(2)).replace(b"(2,), }", b"(999999999999,), }")
OUTPUTS = [
    npy(np.ones((2, 2))),
    npy(np.array(["a"])),
    npy(np.ones(9), np.savez),
    npy(np.array([{}], object)),
    HUGE,
    b"[1,2]",
]
outputs = st.sampled_from(OUTPUTS)


@given(outputs | flipped(outputs), st.sampled_from([JSON, NPY, ARROW, "", "x/y"]))
@effort(600, 20_000)
def test_any_outputs_are_values_or_an_internal_error(body: bytes, content_type: str) -> None:
    with soon():
        outcome = prediction_of(Result("a", Code.OK, body, "iris", content_type=content_type))
        assert isinstance(outcome, Prediction)
        read_outputs(outcome)


def test_a_zip_of_arrays_is_no_answer() -> None:
    with pytest.raises(PredictqError, match="cannot be read"):
        assert Prediction(Result("a", Code.OK, npy(np.ones(9), np.savez), "iris", content_type=NPY)).outputs


seconds = st.integers(0, 10**9).map(lambda ms: ms / 1000)


@given(
    st.builds(
        Result,
        id=names,
        status=st.sampled_from(Code),
        body=st.binary(max_size=50),
        model=st.just("iris"),
        version=st.integers(1, 999_999_999),
        digest=st.just("sha256:abc"),
        route=st.text(max_size=20),
        content_type=st.text(max_size=20),
        timings=st.builds(Timings, seconds, seconds, seconds),
        retry_after=seconds,
    )
)
@effort(300, 10_000)
def test_a_result_is_read_as_it_was_written(result: Result) -> None:
    assert read_result("iris", mapped(result_fields(result))) == result


@given(st.text(max_size=80) | st.from_regex(r"\Aqueued;dur=[0-9.]+, batched;dur=[0-9.]+, predicted;dur=[0-9.]+\Z"))
@effort(300, 10_000)
def test_any_text_is_timings_or_zero(text: str) -> None:
    assert all(math.isfinite(part) for part in parse_timings(text))


@pytest.mark.parametrize("timings", [Timings(), Timings(0.001, 86400.5, 3.25), Timings(1e6, 0.0, 1e-3)])
def test_timings_are_read_as_they_were_written(timings: Timings) -> None:
    assert parse_timings(format_timings(timings)) == timings


def mapped(flat: list[Any]) -> dict[bytes, bytes]:
    """As a broker gives back what it was given."""
    given_back = [part if isinstance(part, bytes) else str(part).encode() for part in flat]
    return dict(zip(given_back[::2], given_back[1::2], strict=True))
