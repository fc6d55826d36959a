"""Bodies as anybody may send them: each is answered, in bounded time and memory, and its neighbours are unharmed."""

import io
import json
import tracemalloc
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from fuzzing import effort, flipped, soon
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from predictq_broker.messages import ARROW, JSON, NPY, Code
from predictq_registry import Column, Signature
from predictq_worker.inference import BadBody, Failed, Limits, Ok, decode, predict_batch

LIMITS = Limits(max_body_bytes=50_000, max_rows=1000, max_answer_bytes=50_000)
MOST_MEMORY = 60
"""Times its own size that a body may take up, plus `SLACK`: a byte of JSON, `1,`, may become a Python object."""
SLACK = 1 << 20
SIGNATURES = [
    Signature(kind="matrix", width=2),
    Signature(kind="matrix", width=2, nullable=True),
    Signature(kind="texts"),
    Signature(kind="any"),
    Signature(kind="table", columns=(Column(name="a", type="number"),)),
    Signature(
        kind="table",
        columns=(
            Column(name="a", type="number", nullable=True),
            Column(name="b", type="integer", nullable=True),
            Column(name="c", type="boolean", nullable=True),
            Column(name="d", type="string", nullable=True, categories=("x", "y")),
        ),
    ),
    Signature(
        kind="table", labelled=False, columns=(Column(name="0", type="integer"), Column(name="1", type="string"))
    ),
]


@dataclass
class Echo:
    """A loaded release whose model says what it was given, row by row."""

    signature: Signature
    methods: tuple[str, ...] = ("predict",)

    @property
    def manifest(self) -> "Echo":
        return self

    def call(self, _method: str, model_input: Any) -> list[str]:
        rows = model_input.to_dict("records") if hasattr(model_input, "to_dict") else model_input
        return [repr(row) for row in rows]


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from(
        [2**53, 2**53 + 1, -(2**53) - 1, 2**63, 2**64, 10**400, -0.0, 5e-324, 1.7e308, "x", "\0", "\ud800", "é"]
    ),
    st.floats(),
    st.text(max_size=8),
)
keys = st.sampled_from(["a", "b", "c", "d", "0", "1", "", "\0"]) | st.text(max_size=4)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5), max_leaves=25
)
records = st.lists(st.dictionaries(keys, scalars, max_size=5), min_size=1, max_size=4)
rows = st.lists(st.lists(scalars, min_size=2, max_size=2), min_size=1, max_size=4)
documents = (trees | records | rows | st.lists(st.text(max_size=9))).map(lambda tree: json.dumps(tree).encode())


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


shapes = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
dtypes = arrays.scalar_dtypes() | arrays.unicode_string_dtypes(max_len=5) | arrays.byte_string_dtypes(max_len=5)
saved = dtypes.flatmap(lambda dtype: arrays.arrays(dtype, shapes)).map(npy) | st.just(npy(np.array([{}, 1], object)))
matrices = st.integers(0, 3).map(lambda count: npy(np.ones((count, 2))))


def stream(columns: dict[str, Any], **options: Any) -> bytes:
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


STREAMS = [
    stream({"a": [1.5, None], "b": [1, 2], "c": [True, None], "d": ["x", "y"]}),
    stream({"a": [1.5, 2.5]}),
    stream({"0": [1, 2], "1": ["u", "v"]}),
    stream({"d": pa.array(["x", "y", "x"]).dictionary_encode()}),
    stream({"a": pa.array([[1], [2, 3]])}),
    stream({"a": pa.nulls(3), "b": pa.array(["p"] * 3, pa.large_string())}),
    stream({"a": [0.0] * 100}, compression="zstd"),
]
streams = st.sampled_from(STREAMS)

bodies = st.one_of(
    st.tuples(st.just(JSON), documents | flipped(documents) | st.binary(max_size=60)),
    st.tuples(st.just(NPY), saved | matrices | flipped(saved) | flipped(matrices) | st.binary(max_size=60)),
    st.tuples(st.just(ARROW), streams | flipped(streams) | st.binary(max_size=60)),
)


@given(bodies)
@effort(1200, 100_000)
def test_any_body_is_rows_or_a_refusal_that_says_why(body: tuple[str, bytes]) -> None:
    content_type, data = body
    with soon():
        try:
            found = decode(content_type, data, LIMITS)
        except BadBody as error:
            assert error.code in {Code.INVALID_INPUT, Code.TOO_LARGE}  # noqa: PT017  what else is raised is a failure
            assert 0 < len(error.message) < 500  # noqa: PT017
        else:
            assert isinstance(found, list | np.ndarray | dict)
            assert len(found) or content_type == ARROW


@given(st.sampled_from(SIGNATURES), st.lists(bodies, min_size=1, max_size=4))
@effort(800, 50_000)
def test_any_bodies_are_answered_each_for_itself(signature: Signature, batch: list[tuple[str, bytes]]) -> None:
    kind = batch[0][0]
    data = [body for content_type, body in batch if content_type == kind]
    with soon():
        together = predict_batch(Echo(signature), "predict", kind, data, LIMITS)
        alone = [predict_batch(Echo(signature), "predict", kind, [body], LIMITS)[0] for body in data]
    assert together == alone
    for answer in together:
        if isinstance(answer, Failed):
            assert answer.code in {Code.INVALID_INPUT, Code.TOO_LARGE}, answer
        else:
            assert isinstance(answer, Ok)


@given(bodies)
@effort(200, 5_000)
def test_no_body_takes_more_memory_than_a_stated_multiple_of_its_size(body: tuple[str, bytes]) -> None:
    content_type, data = body
    foreign = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        decode(content_type, data, LIMITS)
    except BadBody:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak <= MOST_MEMORY * len(data) + SLACK
    assert pa.total_allocated_bytes() - foreign <= MOST_MEMORY * len(data) + SLACK


twice = st.sampled_from(["a", "b", 'q"uote', "back\\slash", "colon:", "é", "\0"])


@given(st.lists(st.tuples(twice, scalars | trees), max_size=5), st.lists(keys, max_size=3))
@effort(600, 20_000)
def test_a_record_is_refused_exactly_if_it_names_something_twice(
    pairs: list[tuple[str, Any]], texts: list[str]
) -> None:
    members = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs]
    inside = ", ".join([*(json.dumps(text) for text in texts), "{" + ", ".join(members) + "}"])
    body = f"[{inside}]".encode()
    try:
        orjson.loads(body)
    except ValueError:
        return
    names = [name for name, _ in pairs]
    if len(set(names)) == len(names):
        assert decode(JSON, body, LIMITS)
    else:
        with pytest.raises(BadBody, match="twice"):
            decode(JSON, body, LIMITS)
