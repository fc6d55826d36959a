"""A runner runs whatever a model's author wrote: whatever comes from it, the parent lives and says what it got."""

import tracemalloc
from collections.abc import Callable

import orjson
from fuzzing import effort, flipped, soon
from hypothesis import given
from hypothesis import strategies as st

from predictq_broker.messages import Code
from predictq_worker.inference import Failed, Ok
from predictq_worker.runner.frames import BadFrame, Frame, pack, read_frame
from predictq_worker.runner.messages import (
    LoadReport,
    load_reply,
    predict_reply,
    read_load_reply,
    read_predict_reply,
    read_replies,
    refusal_reply,
    several_reply,
)

MOST_PARTS = 8
MOST_BYTES = 100_000
FIXED = 9 << 20
"""Bytes a frame may take up however small it is: the largest header that it may announce, and a mebibyte."""

answers = st.one_of(
    st.binary(max_size=40).map(Ok),
    st.builds(Failed, st.sampled_from([code for code in Code if code is not Code.OK]), st.text(max_size=40)),
)
replies = st.one_of(
    st.lists(answers, max_size=MOST_PARTS).map(lambda found: predict_reply(found, 0.5)),
    st.builds(LoadReport, st.floats(0, 9), st.integers(0, 1 << 40), st.lists(st.text(), max_size=2).map(tuple)).map(
        load_reply
    ),
    st.text(max_size=90).map(refusal_reply),
    st.lists(st.tuples(st.lists(answers, max_size=3), st.floats(0, 9)), min_size=2, max_size=3).map(several_reply),
).map(lambda buffers: b"".join(map(bytes, buffers)))

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 1 << 62)
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(list(Code)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
entries = st.lists(st.lists(st.integers(-2, 9) | st.sampled_from(list(Code)) | values, max_size=4) | values, max_size=4)
headers = st.fixed_dictionaries(
    {},
    optional={
        "seconds": st.floats() | values,
        "failed": entries | values,
        "report": values
        | st.fixed_dictionaries(dict.fromkeys(("seconds", "rss", "memory", "warnings", "differences"), values)),
        "refused": values,
        "replies": st.lists(st.fixed_dictionaries({"seconds": st.floats(), "failed": entries}) | values, max_size=3)
        | values,
    },
)


def source(data: bytes) -> Callable[[memoryview], int]:
    """Gives `data`, then the end."""
    left = memoryview(data)

    def receive(view: memoryview) -> int:
        nonlocal left
        count = min(len(view), len(left))
        if not count:
            raise EOFError
        view[:count], left = left[:count], left[count:]
        return count

    return receive


@given(replies | flipped(replies) | flipped(replies) | st.binary(max_size=90))
@effort(800, 50_000)
def test_any_bytes_from_a_runner_are_an_answer_or_a_broken_frame(data: bytes) -> None:
    with soon():
        try:
            frame = read_frame(source(data), MOST_PARTS, MOST_BYTES)
        except (BadFrame, EOFError):
            return
        assert len(frame.parts) <= MOST_PARTS
        assert sum(map(len, frame.parts)) <= MOST_BYTES
        judge(frame)


@given(headers, st.lists(st.binary(max_size=9), max_size=4))
@effort(800, 50_000)
def test_any_header_from_a_runner_is_an_answer_or_a_broken_frame(header: dict[str, object], parts: list[bytes]) -> None:
    with soon():
        judge(Frame(orjson.loads(orjson.dumps(header)), parts))


def judge(frame: Frame) -> None:
    for count in (len(frame.parts), 2):
        try:
            predicted = read_predict_reply(frame, count)
        except BadFrame:
            continue
        assert len(predicted.answers) == count
        for answer in predicted.answers:
            assert isinstance(answer, Ok | Failed)
            assert not isinstance(answer, Failed) or (answer.code is not Code.OK and len(answer.message) <= 2000)
    for counts in ((1, len(frame.parts) - 1), (2, 0, 1)):
        try:
            several = read_replies(frame, counts)
        except BadFrame:
            continue
        assert [len(predicted.answers) for predicted in several] == [*counts]
    try:
        report = read_load_reply(frame)
    except BadFrame:
        return
    assert isinstance(report, LoadReport | str)


@given(flipped(replies), st.binary(max_size=60))
@effort(150, 5_000)
def test_a_frame_that_announces_much_and_brings_little_takes_no_memory(data: bytes, more: bytes) -> None:
    tracemalloc.start()
    try:
        read_frame(source(data + more), MOST_PARTS, MOST_BYTES)
    except (BadFrame, EOFError):
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak <= FIXED + 2 * (MOST_BYTES + len(data))


def test_a_header_that_announces_the_most_and_ends_is_the_end() -> None:
    (whole,) = pack({"x": 1})
    prefix = bytes(whole)[:4] + (8 << 20).to_bytes(4, "little") + bytes(12)
    try:
        read_frame(source(prefix), MOST_PARTS, MOST_BYTES)
    except EOFError:
        return
    raise AssertionError("it was read")
