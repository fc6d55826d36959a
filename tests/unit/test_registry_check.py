"""What a signature says about the rows of one request."""

import copy
import math
import pickle
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictq_registry import Column, InputError, Signature

MATRIX = Signature(kind="matrix", width=2)
LENIENT = Signature(kind="matrix", width=2, nullable=True)
TEXTS = Signature(kind="texts")
ANY = Signature(kind="any")
TABLE = Signature(
    kind="table",
    columns=(
        Column(name="age", type="integer"),
        Column(name="income", type="number", nullable=True),
        Column(name="married", type="boolean"),
        Column(name="job", type="string"),
    ),
)
LENIENT_TABLE = TABLE.model_copy(
    update={"columns": tuple(column.model_copy(update={"nullable": True}) for column in TABLE.columns)}
)
RECORD = {"age": 41, "income": 1.5, "married": True, "job": "nurse"}
ROW = [41, 1.5, True, "nurse"]


def without(name: str) -> dict[str, object]:
    return {key: value for key, value in RECORD.items() if key != name}


@pytest.mark.parametrize(
    ("signature", "rows", "sentence"),
    [
        (MATRIX, [], "there are no rows"),
        (MATRIX, None, "the rows are null; expected a list of rows, each a list of 2 numbers"),
        (MATRIX, 5, "the rows are 5; expected a list"),
        (MATRIX, "5", "the rows are text '5'; expected a list"),
        (MATRIX, {"a": [1]}, "this model's columns have no names"),
        (MATRIX, [1.0, 2.0], "row 0 is 1.0; expected a list of 2 numbers: a single row is written"),
        (MATRIX, [{"a": 1}], "row 0 is a record; expected a list of 2 numbers: this model's columns have no names"),
        (MATRIX, [[1.0, 2.0], [1.0]], "row 1 has 1 values; expected 2"),
        (MATRIX, [[1.0, 2.0, 3.0]], "row 0 has 3 values; expected 2"),
        (MATRIX, [[1.0, "5.1"]], "row 0, column 1 is text '5.1' where a number is expected"),
        (MATRIX, [[True, 1.0]], "row 0, column 0 is true where a number is expected"),
        (MATRIX, [[1.0, 2.0], [None, 1.0]], "row 1, column 0 is null where a number is expected"),
        (MATRIX, [[1.0, math.nan]], "row 0, column 1 is NaN where a number is expected"),
        (MATRIX, [[1.0, math.inf]], "row 0, column 1 is inf; only finite numbers are taken"),
        (LENIENT, [[-math.inf, 1.0]], "row 0, column 0 is -inf; only finite numbers are taken"),
        (MATRIX, [[1.0, 2**53 + 1]], "row 0, column 1 is 9007199254740993, a whole number beyond 2^53"),
        (MATRIX, [[1.0, -(10**400)]], "row 0, column 1 is a number of more than 30 digits, a whole number beyond"),
        (MATRIX, [[[1.0], 2.0]], "row 0, column 0 is a list where a number is expected"),
        (MATRIX, [[{}, 2.0]], "row 0, column 0 is a record where a number is expected"),
        (
            MATRIX,
            np.zeros(2),
            "shape (2,), expected rows and columns: array.reshape(1, -1) makes one row",
        ),
        (MATRIX, np.zeros((1, 2, 1)), "the array has 3 dimensions; expected 2"),
        (MATRIX, np.zeros((0, 2)), "there are no rows"),
        (MATRIX, np.zeros((1, 3)), "the array has 3 columns; expected 2"),
        (MATRIX, np.zeros((1, 2), dtype=bool), "the array holds bool; expected numbers"),
        (MATRIX, np.array([["a", "b"]]), "the array holds <U1; expected numbers"),
        (MATRIX, np.array([[1.0, math.nan]]), "row 0, column 1 is NaN"),
        (LENIENT, np.array([[1.0, 2.0], [math.inf, 1.0]]), "row 1, column 0 is inf"),
        (MATRIX, np.array([[1, 2**60]]), "row 0, column 1 is 1152921504606846976, a whole number beyond 2"),
        (TEXTS, [], "there are no rows"),
        (TEXTS, "great film", "the rows are text 'great film'; expected a list of texts"),
        (TEXTS, ["great", 5], "row 1 is 5; expected a text"),
        (TEXTS, [{"text": "great"}], "row 0 is a record; expected a text"),
        (TEXTS, [["great"]], "row 0 is a list; expected a text"),
        (TEXTS, {"a": ["x"], "b": ["y"]}, "the rows are a record; expected a list of texts"),
        (TEXTS, np.zeros((1, 2)), "the array holds float64 in 2 dimensions; expected texts in 1"),
        (TABLE, [], "there are no rows"),
        (TABLE, 1, "the rows are 1; expected a list of records"),
        (TABLE, [1], "row 0 is 1; expected a record or a list of 4 values"),
        (TABLE, [RECORD | {"x": 1}], "row 0 has an unknown column 'x'; expected: age, income, married, job"),
        (TABLE, [RECORD, without("age")], "row 1 has no column 'age'; expected: age, income, married, job"),
        (TABLE, [without("age") | {"Age": 3}], "row 0 has an unknown column 'Age': did you mean 'age'?"),
        (TABLE, [RECORD, ROW], "row 1 is a list, but row 0 is a record; use one form"),
        (TABLE, [ROW, RECORD], "row 1 is a record, but row 0 is a list; use one form"),
        (TABLE, [ROW[:3]], "row 0 has 3 values; expected 4: age, income, married, job"),
        (TABLE, [RECORD | {"age": 1.5}], "row 0, column 'age' is 1.5 where a whole number is expected"),
        (TABLE, [RECORD | {"age": True}], "row 0, column 'age' is true where a whole number is expected"),
        (TABLE, [RECORD | {"age": None}], "row 0, column 'age' is null where a whole number is expected"),
        (TABLE, [RECORD | {"age": 2**63}], "row 0, column 'age' is 9223372036854775808, beyond 64 bits"),
        (TABLE, [RECORD | {"income": "5"}], "row 0, column 'income' is text '5' where a number is expected"),
        (TABLE, [RECORD | {"income": math.inf}], "row 0, column 'income' is inf; only finite"),
        (TABLE, [RECORD | {"married": 1}], "row 0, column 'married' is 1 where true or false is expected"),
        (TABLE, [RECORD | {"job": 7}], "row 0, column 'job' is 7 where a text is expected"),
        (TABLE, [RECORD | {"job": {}}], "row 0, column 'job' is a record where a text is expected"),
        (LENIENT_TABLE, [RECORD | {"age": 2**53 + 1}], "row 0, column 'age' is 9007199254740993, beyond 2"),
        (TABLE, {"age": [1]}, "the request has no column 'income'"),
        (TABLE, {name: [] for name in RECORD}, "there are no rows"),
        (TABLE, dict.fromkeys(RECORD, 5), "column 'age' is 5; expected a list of values"),
        (TABLE, {name: [value] for name, value in RECORD.items()} | {"job": ["a", "b"]}, "different lengths: 1, 2"),
        (TABLE, {name: np.zeros((1, 1)) for name in RECORD}, "column 'age' has 2 dimensions; expected 1"),
        (TABLE, np.zeros((1, 4)), "row 0, column 'married' is 0.0 where true or false is expected"),
        (TABLE, np.zeros((1, 4), dtype="M8[s]"), "an array of datetime64"),
        (ANY, [], "there are no rows"),
        (ANY, 3, "the rows are 3; expected a list of rows"),
        (ANY, [[]], "row 0 is empty"),
        (ANY, [{}], "row 0 is empty"),
        (ANY, [3], "row 0 is 3; expected a list of values, a record or a text"),
        (ANY, [[1.0, 2.0], [1.0]], "row 1 has 1 values; expected 2"),
        (ANY, [["a", 1.0], [1.0, 1.0]], "column '0' mixes numbers and strings"),
        (ANY, [{"a": 1}, {"b": 1}], "row 1 has an unknown column 'b'"),
        (ANY, [{"a": [1]}], "column 'a' holds a list"),
        (ANY, ["a", 1], "row 1 is 1; expected a text"),
        (ANY, [[math.inf]], "row 0, column 0 is inf"),
        (ANY, {}, "there are no columns"),
    ],
)
def test_rows_that_do_not_fit_are_refused_with_a_sentence(signature: Signature, rows: object, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        signature.check(rows)
    assert sentence in str(caught.value)


def test_an_input_error_says_row_and_column_as_fields() -> None:
    with pytest.raises(InputError) as caught:
        TABLE.check([RECORD, RECORD | {"job": 7}])
    assert (caught.value.row, caught.value.column) == (1, "job")


def test_a_category_that_was_never_seen_is_refused() -> None:
    signature = Signature(kind="table", columns=(Column(name="size", type="string", categories=("S", "M")),))
    with pytest.raises(
        InputError, match="row 0, column 'size' is text 'L', which is none of the column's 2 categories"
    ):
        signature.check([{"size": "L"}])
    frame = signature.assemble([signature.check([{"size": "M"}])])
    assert isinstance(frame, pd.DataFrame)
    assert frame["size"].dtype == pd.CategoricalDtype(["S", "M"])


def test_a_matrix_is_assembled_from_lists_and_arrays_in_order() -> None:
    pieces = [MATRIX.check([[1, 2.5]]), MATRIX.check(np.array([[3, 4], [5, 6]])), MATRIX.check([[7.0, -0.0]])]
    assembled = MATRIX.assemble(pieces)
    assert isinstance(assembled, np.ndarray)
    assert assembled.dtype == np.float64
    assert assembled.tolist() == [[1.0, 2.5], [3.0, 4.0], [5.0, 6.0], [7.0, 0.0]]
    assert [piece.count for piece in pieces] == [1, 2, 1]


def test_the_assembled_matrix_never_shares_memory_with_a_request() -> None:
    theirs = np.array([[1.0, 2.0]])
    theirs.flags.writeable = False
    mine = MATRIX.assemble([MATRIX.check(theirs)])
    assert isinstance(mine, np.ndarray)
    assert mine.flags.writeable
    assert not np.shares_memory(theirs, mine)


def test_null_is_a_missing_value_where_the_model_takes_one() -> None:
    assembled = LENIENT.assemble([LENIENT.check([[None, 1]]), LENIENT.check(np.array([[math.nan, 2.0]]))])
    assert isinstance(assembled, np.ndarray)
    assert np.isnan(assembled[:, 0]).all()
    assert assembled[:, 1].tolist() == [1.0, 2.0]


def test_whole_numbers_up_to_two_to_the_53_and_large_floats_are_taken() -> None:
    rows = [[2**53, -(2**53)], [1e308, 1e308], [1e308, -(2**53)]]
    assembled = MATRIX.assemble([MATRIX.check(rows)])
    assert isinstance(assembled, np.ndarray)
    assert assembled.tolist() == [[float(value) for value in row] for row in rows]


@pytest.mark.parametrize(
    "rows",
    [
        [RECORD],
        [dict(reversed(RECORD.items()))],
        [ROW],
        {name: [value] for name, value in RECORD.items()},
        {name: np.array([value]) for name, value in RECORD.items()},
    ],
    ids=["record", "record in another order", "list", "columns", "columns of arrays"],
)
def test_every_form_of_a_row_becomes_the_same_typed_frame(rows: object) -> None:
    frame = TABLE.assemble([TABLE.check(rows)])
    assert isinstance(frame, pd.DataFrame)
    expected = pd.DataFrame({"age": [41], "income": [1.5], "married": [True], "job": ["nurse"]})
    pd.testing.assert_frame_equal(frame, expected)


def test_columns_that_lack_values_get_the_type_pandas_gives_them_and_do_not_merge_with_whole_ones() -> None:
    whole = LENIENT_TABLE.check([RECORD])
    gappy = LENIENT_TABLE.check([RECORD, dict.fromkeys(RECORD)])
    assert whole.shape != gappy.shape
    frame = LENIENT_TABLE.assemble([gappy])
    assert isinstance(frame, pd.DataFrame)
    assert [str(dtype) for dtype in frame.dtypes[:3]] == ["float64", "float64", "object"]
    assert frame.isna().sum(axis=1).tolist() == [0, 4]
    assert LENIENT_TABLE.check([RECORD | {"income": None}]).shape == whole.shape


def test_a_whole_float_is_a_whole_number() -> None:
    frame = TABLE.assemble([TABLE.check([RECORD | {"age": 41.0}]), TABLE.check([RECORD])])
    assert isinstance(frame, pd.DataFrame)
    assert frame["age"].dtype == np.int64
    assert frame["age"].tolist() == [41, 41]


def test_large_whole_numbers_stay_exact_in_a_column_of_whole_numbers() -> None:
    frame = TABLE.assemble([TABLE.check([RECORD | {"age": 2**62 + 1}])])
    assert isinstance(frame, pd.DataFrame)
    assert frame["age"].tolist() == [2**62 + 1]


def test_a_model_that_saw_no_names_gets_none() -> None:
    mixed = TABLE.model_copy(update={"labelled": False})
    array = mixed.assemble([mixed.check([RECORD])])
    assert isinstance(array, np.ndarray)
    assert array.tolist() == [ROW]
    numbers = Signature(kind="table", columns=(Column(name="a", type="number"),), labelled=False)
    assert isinstance(numbers.assemble([numbers.check([{"a": 1}])]), np.ndarray)


@pytest.mark.parametrize("rows", [["a", "b"], np.array(["a", "b"]), {"text": ["a", "b"]}])
def test_texts_come_as_a_list_an_array_or_one_column(rows: object) -> None:
    assert TEXTS.assemble([TEXTS.check(rows), TEXTS.check(["c"])]) == ["a", "b", "c"]


def test_where_nothing_is_known_only_requests_of_one_form_merge() -> None:
    requests: list[object] = [
        [[1.0, 2.0]],
        [[1.0, 2.0, 3.0]],
        [["a", 2.0]],
        [{"a": 1}],
        [{"a": 1.5}],
        [{"a": "x"}],
        ["x"],
    ]
    shapes = [ANY.check(rows).shape for rows in requests]
    assert len(set(shapes)) == len(shapes)
    again = ANY.check([[5, None], [2.0, 3]])
    assert again.shape == shapes[0]
    assembled = ANY.assemble([ANY.check(requests[0]), again])
    assert isinstance(assembled, np.ndarray)
    np.testing.assert_array_equal(assembled, [[1, 2], [5, math.nan], [2, 3]])


def test_where_nothing_is_known_records_become_frames() -> None:
    frame = ANY.assemble([ANY.check([{"a": 1, "b": "x"}]), ANY.check([{"a": 2, "b": "y"}])])
    assert isinstance(frame, pd.DataFrame)
    assert frame.to_dict("list") == {"a": [1, 2], "b": ["x", "y"]}


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])  # noqa: S301  our own
def test_a_copy_of_a_signature_checks_by_its_own_fields(copied: Callable[[Signature], Signature]) -> None:
    signature = Signature(kind="matrix", width=2)
    signature.check([[1.0, 2.0]])
    assert copied(signature) == signature
    assert "_rows" not in copied(signature).__dict__
    assert signature.model_copy(update={"width": 3}).check([[1.0, 2.0, 3.0]]).count == 1


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
NAMES = st.sampled_from([*RECORD, "x"]) | st.text(max_size=3)
NESTED = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(NAMES, inner, max_size=5))
LIKELY = st.lists(
    st.lists(SCALARS, min_size=2, max_size=4)
    | st.fixed_dictionaries(dict.fromkeys(RECORD, SCALARS))
    | st.text(max_size=3),
    max_size=3,
)


@settings(max_examples=300, deadline=None)
@given(rows=NESTED | LIKELY, signature=st.sampled_from([MATRIX, LENIENT, TABLE, LENIENT_TABLE, TEXTS, ANY]))
def test_whatever_comes_is_either_refused_as_input_or_assembles(rows: object, signature: Signature) -> None:
    checked = None
    with suppress(InputError):
        checked = signature.check(rows)
    if checked is not None:
        assembled = signature.assemble([checked, checked])
        assert isinstance(assembled, (np.ndarray, pd.DataFrame, list))
        assert len(assembled) == 2 * checked.count


FINITE = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)


@settings(max_examples=100, deadline=None)
@given(requests=st.lists(st.lists(st.tuples(FINITE, FINITE).map(list), min_size=1, max_size=3), min_size=1, max_size=5))
def test_merged_requests_are_exactly_the_requests_one_after_the_other(requests: list[list[list[float]]]) -> None:
    merged = MATRIX.assemble([MATRIX.check(rows) for rows in requests])
    assert isinstance(merged, np.ndarray)
    assert merged.tolist() == [[float(value) for value in row] for rows in requests for row in rows]
