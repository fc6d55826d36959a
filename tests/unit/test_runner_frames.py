"""Frames: what is packed is read, however it is cut; what is no frame is refused before anything is allocated."""

import struct
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictq_broker.messages import Code
from predictq_worker.inference import Failed, Ok
from predictq_worker.runner.frames import BadFrame, Frame, pack, read_frame, write_buffers
from predictq_worker.runner.messages import LoadReport, predict_reply, read_load_reply, read_predict_reply


def source(data: bytes, at_once: int = 1 << 30) -> Callable[[memoryview], int]:
    """Gives `data` in pieces, then the end."""
    left = memoryview(data)

    def receive(view: memoryview) -> int:
        nonlocal left
        count = min(len(view), len(left), at_once)
        if not count:
            raise EOFError
        view[:count] = left[:count]
        left = left[count:]
        return count

    return receive


def bytes_of(header: dict[str, object], parts: Sequence[bytes] = ()) -> bytes:
    return b"".join(pack(header, parts))


def read(data: bytes, most_parts: int = 100, most_bytes: int = 1 << 20, at_once: int = 1 << 30) -> Frame:
    return read_frame(source(data, at_once), most_parts, most_bytes)


@given(st.dictionaries(st.text(), st.integers(0, 9)), st.lists(st.binary()), st.integers(1, 50))
def test_what_is_packed_is_read_however_it_is_cut(header: dict[str, object], parts: list[bytes], at_once: int) -> None:
    assert read(bytes_of(header, parts), at_once=at_once) == Frame(header, parts)


def test_large_parts_are_sent_without_being_joined() -> None:
    large = b"x" * 1_000_000
    assert any(buffer is large for buffer in pack({}, [large, b"y"]))
    assert read(bytes_of({"a": 1}, [large, b"y"]), at_once=70_000) == Frame({"a": 1}, [large, b"y"])


def test_small_parts_are_joined_and_one_that_is_not_small_goes_as_it_is() -> None:
    assert len(pack({}, [b"x" * 100] * 300)) == 1
    body = b"x" * 100_000
    assert any(buffer is body for buffer in pack({}, [body]))


@given(st.lists(st.binary(max_size=20)), st.integers(1, 7))
def test_buffers_are_written_whole_however_little_goes_at_a_time(buffers: list[bytes], at_once: int) -> None:
    written = bytearray()

    def send(pieces: Sequence[bytes | bytearray | memoryview]) -> int:
        taken = b"".join(pieces)[:at_once]
        written.extend(taken)
        return len(taken)

    write_buffers(send, buffers)
    assert bytes(written) == b"".join(buffers)


def test_a_frame_that_ends_early_is_the_end_of_the_conversation() -> None:
    whole = bytes_of({"a": 1}, [b"xyz"])
    for length in range(len(whole)):
        with pytest.raises(EOFError):
            read(whole[:length])


PREFIX = struct.Struct("<4sIIQ")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\0" * 40, "does not begin like a frame"),
        (PREFIX.pack(b"PQR1", 1 << 31, 0, 0), "larger than may come"),
        (PREFIX.pack(b"PQR1", 2, 101, 0) + b"{}", "larger than may come"),
        (PREFIX.pack(b"PQR1", 2, 1, 1 << 60) + b"{}", "larger than may come"),
        (PREFIX.pack(b"PQR1", 2, 1, 3) + b"{}" + struct.pack("<Q", 4) + b"xyz", "do not add up"),
        (PREFIX.pack(b"PQR1", 2, 0, 0) + b"{]", "not JSON"),
        (PREFIX.pack(b"PQR1", 2, 0, 0) + b"[]", "not an object"),
        (PREFIX.pack(b"PQR1", 2, 0, 0) + b"{}" + b"more", "more came than one frame"),
    ],
)
def test_what_is_no_frame_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(BadFrame, match=said):
        read(data)


@given(st.binary(max_size=200))
def test_no_bytes_at_all_can_do_more_than_be_refused(data: bytes) -> None:
    for attempt in (data, b"PQR1" + data, PREFIX.pack(b"PQR1", 2, 1, len(data)) + data):
        with pytest.raises((BadFrame, EOFError)):
            read(attempt + b"\0" * 8 if len(attempt) > 20 else attempt)


def test_answers_come_out_as_they_went_in() -> None:
    answers = [Ok(b"[0]"), Failed(Code.INVALID_INPUT, "row 0 is żle"), Ok(b"")]
    found = read_predict_reply(read(b"".join(predict_reply(answers, 0.25))), 3)
    assert found.answers == answers
    assert found.seconds == 0.25


@pytest.mark.parametrize(
    ("header", "parts"),
    [
        ({}, 2),
        ({"seconds": 0.5}, 2),
        ({"seconds": "fast", "failed": []}, 2),
        ({"seconds": 0.5, "failed": []}, 1),
        ({"seconds": 0.5, "failed": [[2, "model_error", "x"]]}, 2),
        ({"seconds": 0.5, "failed": [[-1, "model_error", "x"]]}, 2),
        ({"seconds": 0.5, "failed": [[0, "ok", "x"]]}, 2),
        ({"seconds": 0.5, "failed": [[0, "odd", "x"]]}, 2),
        ({"seconds": 0.5, "failed": [[0, "model_error", 5]]}, 2),
        ({"seconds": 0.5, "failed": ["x"]}, 2),
    ],
)
def test_a_reply_that_does_not_answer_every_request_is_refused(header: dict[str, object], parts: int) -> None:
    with pytest.raises(BadFrame):
        read_predict_reply(Frame(header, [b""] * parts), 2)


def test_a_load_reply_is_a_report_or_a_refusal_or_refused() -> None:
    report = LoadReport(0.5, 1 << 20, 1 << 19, ("a warning",), ("numpy 1 → 2",))
    assert read_load_reply(read(bytes_of({"report": report._asdict()}))) == report
    assert read_load_reply(Frame({"refused": "no"}, [])) == "no"
    with pytest.raises(BadFrame):
        read_load_reply(Frame({"report": {"seconds": 1.0}}, []))
