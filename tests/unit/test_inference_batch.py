"""A batch: every request gets its own answer, whatever its neighbours or the model do."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from predictq_broker.messages import ARROW, JSON, NPY, Code
from predictq_registry import Column, Signature
from predictq_worker.inference import Answer, Failed, Limits, Ok, predict_batch, response_content_type

LIMITS = Limits()
MATRIX = Signature(kind="matrix", width=2, nullable=True)


@dataclass
class Release:
    """A loaded release whose model is a function."""

    model: Callable[[Any], Any]
    signature: Signature = MATRIX
    methods: tuple[str, ...] = ("predict", "transform")

    def __post_init__(self) -> None:
        self.manifest = SimpleNamespace(signature=self.signature, methods=self.methods)
        self.batches: list[int] = []

    def call(self, _method: str, model_input: Any) -> Any:
        self.batches.append(len(model_input))
        return self.model(model_input)


def row(*values: object) -> bytes:
    return orjson.dumps([list(values)])


def answers(
    model: Callable[[Any], Any] | Release, *bodies: bytes, content_type: str = JSON, limits: Limits = LIMITS
) -> list[Answer]:
    release = model if isinstance(model, Release) else Release(model)
    return predict_batch(release, "predict", content_type, bodies, limits)


def first(rows: np.ndarray) -> np.ndarray:
    return rows[:, 0]


def failure(answer: Answer) -> Failed:
    assert isinstance(answer, Failed)
    return answer


def test_each_request_gets_its_own_rows_in_one_call() -> None:
    release = Release(first)
    found = answers(release, row(1, 0), b"[[2,0],[3,0]]", row(4, 0))
    assert found == [Ok(b"[1.0]"), Ok(b"[2.0,3.0]"), Ok(b"[4.0]")]
    assert release.batches == [4]


def test_an_empty_batch_has_no_answers() -> None:
    assert answers(first) == []


def test_a_bad_body_fails_alone() -> None:
    found = answers(first, row(1, 0), b"[[1,", row("x", 0), row(2, 0))
    assert [found[0], found[3]] == [Ok(b"[1.0]"), Ok(b"[2.0]")]
    assert failure(found[1]).code is Code.INVALID_INPUT
    assert failure(found[2]).code is Code.INVALID_INPUT
    assert "column 0" in failure(found[2]).message


def test_widths_that_add_up_to_the_right_number_of_values_never_mix() -> None:
    release = Release(lambda rows: rows.sum(axis=1), Signature(kind="matrix", width=4))
    bodies = [row(1, 1, 1, 1), row(9, 9), row(2, 2, 2, 2), row(9, 9, 9, 9, 9, 9), row(3, 3, 3, 3)]
    found = answers(release, *bodies)
    assert [found[0], found[2], found[4]] == [Ok(b"[4.0]"), Ok(b"[8.0]"), Ok(b"[12.0]")]
    assert {failure(found[1]).code, failure(found[3]).code} == {Code.INVALID_INPUT}
    assert release.batches == [3]


def test_without_a_known_width_requests_of_one_width_are_predicted_together_and_no_others() -> None:
    release = Release(lambda rows: rows.sum(axis=1), Signature(kind="any"))
    found = answers(release, row(1, 1), row(1, 1, 1), row(2, 2), row(5, 5, 5, 5, 5, 5))
    assert [orjson.loads(answer.body) for answer in found] == [[2], [3], [4], [30]]
    assert sorted(release.batches) == [1, 1, 2]


def test_bodies_that_would_be_sound_only_when_joined_are_each_refused() -> None:
    found = answers(first, b"[[1,0]],[[2,0]]", b"[[1,0]", b"]")
    assert {failure(answer).code for answer in found} == {Code.INVALID_INPUT}


def test_an_unknown_method_or_content_type_is_told_to_every_request() -> None:
    unknown = predict_batch(Release(first), "fit", JSON, [row(1, 0)] * 2, LIMITS)
    assert [failure(answer).message for answer in unknown] == [
        "this release has no method 'fit': ask for predict, transform"
    ] * 2
    (pickled,) = answers(first, b"\x80\x04.", content_type="application/x-python-serialize")
    assert failure(pickled).code is Code.INVALID_INPUT
    assert f"send {JSON}, {NPY}, {ARROW}" in failure(pickled).message


def test_parameters_and_case_of_a_content_type_do_not_matter() -> None:
    assert answers(first, row(1, 0), content_type="Application/JSON; charset=utf-8") == [Ok(b"[1.0]")]
    assert response_content_type("application/X-NPY; x=y") == NPY
    assert response_content_type(ARROW) == JSON


def raising_at(*bad: float, error: type[BaseException] = ValueError) -> Callable[[Any], Any]:
    def model(rows: np.ndarray) -> np.ndarray:
        if np.isin(rows[:, 0], bad).any():
            raise error("no such flower\nsecond line")
        return rows[:, 0]

    return model


@pytest.mark.parametrize(
    "error", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError, RecursionError, StopIteration]
)
def test_whatever_the_model_raises_only_the_bad_ones_fail(error: type[BaseException]) -> None:
    bodies = [row(value, 0) for value in range(33)]
    found = answers(raising_at(3, 17, 18, error=error), *bodies)
    for value, answer in enumerate(found):
        if value in {3, 17, 18}:
            assert answer == Failed(Code.MODEL_ERROR, f"{error.__name__}: no such flower")
        else:
            assert answer == Ok(b"[%d.0]" % value)


def test_bisecting_one_bad_request_of_many_takes_few_calls() -> None:
    release = Release(raising_at(100))
    answers(release, *(row(value, 0) for value in range(256)))
    assert len(release.batches) <= 2 * 8 + 1


def test_a_model_that_alters_its_input_and_then_fails_spoils_nothing() -> None:
    def spoiling(rows: np.ndarray) -> np.ndarray:
        result = rows[:, 0].copy()
        bad = (rows[:, 0] == 2).any()
        rows[:] = -1
        if bad:
            raise ValueError
        return result

    found = answers(spoiling, *(row(value, 0) for value in range(4)))
    assert found == [Ok(b"[0.0]"), Ok(b"[1.0]"), Failed(Code.MODEL_ERROR, "ValueError"), Ok(b"[3.0]")]


def test_arrays_too_are_safe_from_a_model_that_alters_its_input() -> None:
    def spoiling(rows: np.ndarray) -> np.ndarray:
        rows += 1
        if len(rows) > 1:
            raise ValueError
        return rows[:, 0]

    found = answers(spoiling, *(npy(np.array([[value, 0.0]])) for value in range(3)), content_type=NPY)
    assert [np.load(io.BytesIO(answer.body)).tolist() for answer in found] == [[1.0], [2.0], [3.0]]


def test_an_exception_that_cannot_be_printed_is_named() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise SystemExit

    def model(_: Any) -> Any:
        raise Mute

    assert answers(model, row(1, 0)) == [Failed(Code.MODEL_ERROR, "Mute")]


def test_a_long_or_unprintable_message_is_cut_to_one_sound_line() -> None:
    def model(_: Any) -> Any:
        raise ValueError("\x1b[31m\ud800" + "x" * 1000)

    (found,) = answers(model, row(1, 0))
    message = failure(found).message
    assert len(message) == 300
    assert message.startswith("ValueError: ?[31m?x")
    message.encode()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (lambda rows: rows[:-1, 0], "returned 0 rows for 1"),
        (lambda rows: np.zeros(len(rows) + 1), "returned 2 rows for 1"),
        (lambda _: None, "returned nothing"),
        (lambda _: 3.0, "returned a float"),
        (lambda _: np.float64(3), "single value"),
        (lambda _: np.array(3.0), "single value"),
        (lambda _: "a", "returned a str"),
        (lambda _: b"a", "returned a bytes"),
        (lambda _: {"a": 1}, "returned a dict"),
        (lambda _: {1}, "returned a set"),
        (iter, "returned a iterator"),
        (lambda _: [object()], "hold a object"),
        (lambda _: [b"raw"], "hold a bytes"),
        (lambda _: [{1: 2}], "key of type int"),
        (lambda _: [1 + 2j], "hold a complex"),
        (lambda _: np.array([1j]), "complex128"),
        (lambda _: np.array([b"raw"]), "dtype bytes"),
        (lambda _: np.array([(1, 2.0)], dtype="i4,f8"), "void"),
        (lambda _: np.array(["\ud800"]), "cannot be encoded"),
        (lambda _: [2**70], "cannot be encoded"),
        (lambda _: [np.inf], "ask with NumPy"),
        (lambda _: np.array([[1.0, -np.inf]]), "ask with NumPy"),
        (lambda _: [{"a": [np.float32("inf")]}], "ask with NumPy"),
    ],
)
def test_outputs_that_are_none_become_a_model_error_in_words(model: Callable[[Any], Any], said: str) -> None:
    (found,) = answers(model, row(1, 0))
    assert failure(found).code is Code.MODEL_ERROR
    assert said in failure(found).message


def test_a_model_that_holds_back_rows_gets_nobody_the_answer_of_another() -> None:
    def dropping(rows: np.ndarray) -> np.ndarray:
        return rows[rows[:, 0] != 2, 0]

    found = answers(dropping, *(row(value, 0) for value in range(5)))
    assert [answer for answer in found if isinstance(answer, Ok)] == [
        Ok(b"[0.0]"),
        Ok(b"[1.0]"),
        Ok(b"[3.0]"),
        Ok(b"[4.0]"),
    ]
    assert "returned 0 rows for 1" in failure(found[2]).message


def test_nested_garbage_fails_only_those_who_asked_for_it() -> None:
    def model(rows: np.ndarray) -> list[object]:
        loop: list[object] = []
        loop.append(loop)
        return [loop if value == 1 else object() if value == 2 else float(value) for value in rows[:, 0]]

    found = answers(model, *(row(value, 0) for value in range(4)))
    assert [found[0], found[3]] == [Ok(b"[0.0]"), Ok(b"[3.0]")]
    assert "deeper than 32" in failure(found[1]).message
    assert "hold a object" in failure(found[2]).message


def test_one_infinity_fails_one_request() -> None:
    found = answers(lambda rows: rows[:, 0] / rows[:, 1], row(1, 1), row(1, 2), content_type=JSON)
    assert found == [Ok(b"[1.0]"), Ok(b"[0.5]")]
    with np.errstate(divide="ignore"):
        found = answers(lambda rows: rows[:, 0] / rows[:, 1], row(1, 1), row(1, 0), row(1, 2))
    assert [found[0], found[2]] == [Ok(b"[1.0]"), Ok(b"[0.5]")]
    assert "ask with NumPy" in failure(found[1]).message


def test_a_missing_value_travels_as_null_both_ways() -> None:
    assert answers(first, row(None, 0), row(1, 0)) == [Ok(b"[null]"), Ok(b"[1.0]")]


class ArrayLike:
    """Something of another library that NumPy can read."""

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return np.array([4.5, 5.5])


@pytest.mark.parametrize(
    ("outputs", "bodies"),
    [
        (np.array([3, 4]), [b"[3]", b"[4]"]),
        (np.array([3, 4], dtype=">i2"), [b"[3]", b"[4]"]),
        (np.array([True, False]), [b"[true]", b"[false]"]),
        (np.array(["rose", "tulip"]), [b'["rose"]', b'["tulip"]']),
        (np.array(["rose", None], dtype=object), [b'["rose"]', b"[null]"]),
        (np.array([[0.1, 0.9], [0.5, 0.5]]), [b"[[0.1,0.9]]", b"[[0.5,0.5]]"]),
        (np.array([0.5, np.nan], dtype=np.float16), [b"[0.5]", b"[null]"]),
        (np.array([0.5, 1.5], dtype=np.longdouble), [b"[0.5]", b"[1.5]"]),
        (np.array([2**64 - 1, 1], dtype=np.uint64), [b"[18446744073709551615]", b"[1]"]),
        (np.array(["2026-11-20", "NaT"], dtype="M8[D]"), [b'["2026-11-20"]', b"[null]"]),
        (np.ma.array([1, 2], mask=[False, True]), [b"[1]", b"[null]"]),
        (np.zeros((2, 0)), [b"[[]]", b"[[]]"]),
        (np.zeros((2, 1, 2)), [b"[[[0.0,0.0]]]"] * 2),
        ([1, "two"], [b"[1]", b'["two"]']),
        ((1.5, None), [b"[1.5]", b"[null]"]),
        ([np.float32(0.5), np.int64(2)], [b"[0.5]", b"[2]"]),
        ([np.array([1, 2]), np.array([3])], [b"[[1,2]]", b"[[3]]"]),
        ([{"label": "a", "score": np.float64(0.5)}, {}], [b'[{"label":"a","score":0.5}]', b"[{}]"]),
        ([pd.NA, pd.NaT], [b"[null]", b"[null]"]),
        ([np.datetime64("2026-11-20"), np.str_("x")], [b'["2026-11-20"]', b'["x"]']),
        (pd.DataFrame({"a": [1, 2], "b": [0.5, np.nan]}), [b"[[1.0,0.5]]", b"[[2.0,null]]"]),
        (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), [b'[[1,"x"]]', b'[[2,"y"]]']),
        (pd.Series([1, 2], index=[7, 7]), [b"[1]", b"[2]"]),
        (pd.Series(["x", "y"], dtype="category"), [b'["x"]', b'["y"]']),
        (pd.Series([1, 2], dtype="Int64"), [b"[1]", b"[2]"]),
        (scipy.sparse.csr_matrix([[1, 0], [0, 2]]), [b"[[1,0]]", b"[[0,2]]"]),
        (scipy.sparse.coo_array([[1, 0], [0, 2]]), [b"[[1,0]]", b"[[0,2]]"]),
        (ArrayLike(), [b"[4.5]", b"[5.5]"]),
    ],
)
def test_whatever_form_outputs_have_each_request_gets_its_own(outputs: object, bodies: list[bytes]) -> None:
    assert answers(lambda _: outputs, row(1, 0), row(2, 0)) == [Ok(body) for body in bodies]


def test_probabilities_of_as_many_targets_as_rows_are_not_handed_to_the_wrong_rows() -> None:
    targets = [np.array([[0.1, 0.9], [0.2, 0.8]]), np.array([[0.3, 0.3, 0.4], [1.0, 0.0, 0.0]])]
    found = answers(lambda _: targets, row(1, 0), row(2, 0))
    assert found == [Ok(b"[[[0.1,0.9],[0.3,0.3,0.4]]]"), Ok(b"[[[0.2,0.8],[1.0,0.0,0.0]]]")]
    uneven = answers(lambda rows: [np.zeros((len(rows), 2)), np.zeros((len(rows) + 1, 2))], row(1, 0))
    assert "differ in their number of rows" in failure(uneven[0]).message


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


@pytest.mark.parametrize(
    "outputs",
    [
        np.array([1.5, np.inf]),
        np.array([[1, 2], [3, 4]], dtype=np.int32, order="F"),
        np.array(["rose", "tulip"]),
        np.array(["rose", "tulip"], dtype=object),
        [1.5, 2.5],
        [[1, 2], [3, 4]],
        np.array([True, False]),
    ],
)
def test_who_asks_with_numpy_is_answered_with_numpy(outputs: Any) -> None:
    found = answers(lambda _: outputs, npy(np.zeros((1, 2))), npy(np.ones((1, 2))), content_type=NPY)
    for place, answer in enumerate(found):
        array = np.load(io.BytesIO(answer.body), allow_pickle=False)
        assert array.tolist() == np.asarray(outputs)[place : place + 1].tolist()


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ([[1, 2], [3]], "different lengths"),
        ([1, "two"], "no common NumPy dtype"),
        ([None, 1], "no common NumPy dtype"),
        ([{"a": 1}, {}], "no common NumPy dtype"),
    ],
)
def test_outputs_no_array_can_hold_are_refused_to_who_asked_with_numpy(outputs: Any, said: str) -> None:
    (found,) = answers(lambda _: outputs, npy(np.zeros((2, 2))), content_type=NPY)
    assert failure(found).code is Code.MODEL_ERROR
    assert said in failure(found).message


def test_an_answer_beyond_the_limit_is_too_large_and_its_neighbour_is_not() -> None:
    def model(rows: np.ndarray) -> list[str]:
        return ["x" * int(value) for value in rows[:, 0]]

    for content_type, body in [(JSON, row(5, 0)), (JSON, row(2000, 0))]:
        (found,) = answers(model, body, content_type=content_type, limits=Limits(max_answer_bytes=100))
        assert isinstance(found, Ok) == (body == row(5, 0))
    found = answers(lambda rows: np.zeros((len(rows), 50)), row(1, 0), limits=Limits(max_answer_bytes=100))
    assert failure(found[0]).code is Code.TOO_LARGE
    assert "ask with fewer rows" in failure(found[0]).message


def test_a_sparse_output_that_is_huge_when_dense_is_never_made_dense() -> None:
    def model(rows: np.ndarray) -> Any:
        return scipy.sparse.csr_matrix((len(rows), 1 << 40))

    found = answers(model, row(1, 0), row(2, 0))
    assert {failure(answer).code for answer in found} == {Code.TOO_LARGE}


def test_a_large_output_is_cut_as_a_small_one_is() -> None:
    found = answers(lambda rows: np.repeat(rows[:, :1], 200_000, axis=1), *(row(value, 0) for value in range(8)))
    assert [orjson.loads(answer.body)[0][-1] for answer in found] == list(range(8))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(
            st.lists(
                st.one_of(st.integers(-3, 3), st.floats(-3, 3), st.none(), st.sampled_from(["x", True])),
                min_size=1,
                max_size=3,
            ),
            max_size=3,
        ),
        max_size=12,
    )
)
def test_a_batch_answers_as_each_of_its_requests_alone(requests: list[list[list[object]]]) -> None:
    def model(rows: np.ndarray) -> np.ndarray:
        if (rows[:, 0] == 3).any():
            raise ValueError("three")
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.column_stack([rows[:, 0] / rows[:, 1], rows[:, 1]])

    bodies = [orjson.dumps(request) for request in requests]
    together = answers(model, *bodies)
    alone = [answers(model, body)[0] for body in bodies]
    assert together == alone


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=40) | st.just(row(1, 2)), max_size=10), st.sampled_from([JSON, NPY, ARROW]))
def test_random_bodies_harm_no_neighbour(bodies: list[bytes], content_type: str) -> None:
    found = answers(first, *bodies, content_type=content_type)
    assert len(found) == len(bodies)
    if content_type == JSON:
        assert all(found[place] == Ok(b"[1.0]") for place, body in enumerate(bodies) if body == row(1, 2))


def test_records_and_columns_give_the_same_answers() -> None:
    pa = pytest.importorskip("pyarrow")
    signature = Signature(kind="table", columns=(Column(name="age", type="integer"), Column(name="job", type="string")))
    release = Release(lambda frame: frame["job"] + frame["age"].astype(str), signature)
    frame = pa.table({"job": pa.array(["nurse", "cook"]).dictionary_encode(), "age": [41, 30]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, frame.schema) as writer:
        writer.write_table(frame)
    (columns,) = answers(release, sink.getvalue().to_pybytes(), content_type=ARROW)
    (records,) = answers(release, b'[{"age":41,"job":"nurse"},{"job":"cook","age":30}]')
    assert columns == records == Ok(b'["nurse41","cook30"]')


@pytest.mark.parametrize("count", [1, 2])
def test_a_model_may_write_to_its_input_and_the_bodies_stay_as_they_were(count: int) -> None:
    def overwrites(rows: np.ndarray) -> np.ndarray:
        rows[:] = 9.0
        return rows[:, 0]

    file = io.BytesIO()
    np.save(file, np.array([[1.0, 2.0]]))
    body = file.getvalue()
    assert all(isinstance(answer, Ok) for answer in answers(overwrites, *[body] * count, content_type=NPY))
    assert body == file.getvalue()


@pytest.mark.parametrize(
    "outputs",
    [
        np.array([0.1, -0.0, 0.0, np.nan, 1e300, -2.5e-7]),
        np.array([0.1, 3.0], np.float32),
        np.array([[0.25, np.nan], [1.0, -1e22]]),
        np.zeros((3, 0)),
        np.arange(8.0).reshape(2, 2, 2),
        np.array([1, -1, 1, 2**62]),
        np.array([2**64 - 1, 0], np.uint64),
        np.array([True, False, True]),
        np.array(["a,b", "],[", 'say "so"', "a,b"]),
        np.array([[1, 2], [3, 4]]),
    ],
)
def test_answers_that_are_written_together_are_those_that_each_would_have_alone(outputs: np.ndarray) -> None:
    found = answers(lambda _: outputs, *[row(1.0, 2.0)] * len(outputs))
    assert found == [Ok(orjson.dumps([value])) for value in outputs.tolist()]


def test_of_answers_that_are_written_together_only_the_too_large_fail() -> None:
    texts = np.array(["short", "x" * 100, "short"])
    found = answers(lambda _: texts, *[row(1.0, 2.0)] * 3, limits=Limits(max_answer_bytes=50))
    assert found[0] == found[2] == Ok(b'["short"]')
    assert failure(found[1]).code is Code.TOO_LARGE


def test_infinities_that_cancel_each_other_are_found() -> None:
    file = io.BytesIO()
    np.save(file, np.array([[np.inf, -np.inf]]))
    (found,) = answers(first, file.getvalue(), content_type=NPY)
    assert failure(found).message.startswith("row 0, column 0 is inf")


def test_numbers_whose_sum_overflows_are_taken() -> None:
    file = io.BytesIO()
    np.save(file, np.array([[1e308, 1e308]]))
    (found,) = answers(first, file.getvalue(), content_type=NPY)
    assert isinstance(found, Ok)
