"""What a signature learns from a sample and a fitted estimator."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from predictq_registry import InvalidRelease, Signature

ROWS = [[5.1, 3.0], [6.2, 2.5], [7.3, 1.5], [4.4, 3.5]]
LABELS = ["a", "b", "b", "a"]
RECORDS = [{"x": row[0], "y": row[1]} for row in ROWS]
FRAME = pd.DataFrame(RECORDS)
PEOPLE = pd.DataFrame(
    {"age": [20, 30, 40, 50], "job": ["nurse", "cook", "nurse", "cook"], "married": [True, False, True, False]}
)


def by_array() -> LogisticRegression:
    return LogisticRegression().fit(np.array(ROWS), LABELS)


def by_frame() -> LogisticRegression:
    return LogisticRegression().fit(FRAME, LABELS)


def names(signature: Signature) -> list[str]:
    return [column.name for column in signature.columns]


def types(signature: Signature) -> list[str]:
    return [column.type for column in signature.columns]


def written(folder: Path, ending: str, write: Callable[[Path], object]) -> Path:
    path = folder / f"sample.{ending}"
    write(path)
    return path


SOURCES: dict[str, Callable[[Path], object]] = {
    "list of rows": lambda _: ROWS,
    "list of records": lambda _: RECORDS,
    "list of arrays": lambda _: [np.array(row) for row in ROWS],
    "array": lambda _: np.array(ROWS),
    "pandas": lambda _: FRAME,
    "pandas with the target": lambda _: FRAME[["y", "x"]].assign(target=LABELS),
    "polars": lambda _: pl.DataFrame(RECORDS),
    "csv": lambda folder: written(folder, "csv", lambda p: FRAME.assign(target=LABELS).to_csv(p, index=False)),
    "csv as str": lambda folder: str(written(folder, "CSV", lambda p: FRAME.to_csv(p, index=False))),
    "json rows": lambda folder: written(folder, "json", lambda p: p.write_text(json.dumps(ROWS))),
    "json records": lambda folder: written(folder, "json", lambda p: p.write_text(json.dumps(RECORDS))),
    "jsonl": lambda folder: written(folder, "jsonl", lambda p: p.write_text("\n".join(map(json.dumps, RECORDS)))),
    "parquet": lambda folder: written(folder, "parquet", FRAME.to_parquet),
    "npy": lambda folder: written(folder, "npy", lambda p: np.save(p, np.array(ROWS))),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_every_form_of_a_sample_shows_the_columns_the_model_was_fitted_with(
    source: Callable[[Path], object], tmp_path: Path
) -> None:
    signature = Signature.learn(source(tmp_path), by_frame())
    assert signature.kind == "table"
    assert signature.labelled
    assert names(signature) == ["x", "y"]
    assert types(signature) == ["number", "number"]


@pytest.mark.parametrize("source", [ROWS, np.array(ROWS), np.array(ROWS, dtype=np.float32)])
def test_unnamed_numbers_are_a_matrix(source: object) -> None:
    assert Signature.learn(source, by_array()) == Signature(kind="matrix", width=2)


def test_names_that_the_model_never_saw_serve_the_requester_alone() -> None:
    model = by_array()
    signature = Signature.learn(FRAME, model)
    assert (signature.kind, signature.labelled, names(signature)) == ("table", False, ["x", "y"])
    assert model.predict(signature.assemble([signature.check([RECORDS[0]])])).tolist() == ["a"]


@pytest.mark.parametrize("sample", [["good film", "bad film"], np.array(["good film", "bad film"])])
def test_texts_are_texts(sample: Any) -> None:
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(list(sample), [1, 0])
    assert Signature.learn(sample, model) == Signature(kind="texts")
    assert Signature.learn(pd.Series(list(sample)), model) == Signature(kind="texts")


def test_a_frame_of_one_text_column_is_refused_for_a_text_model_with_what_to_do() -> None:
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(["good film", "bad film"], [1, 0])
    with pytest.raises(InvalidRelease, match="1 outputs for 2 rows; a text model needs a list of texts"):
        Signature.learn(pd.DataFrame({"text": ["good film", "bad film"]}), model)


def test_mixed_columns_get_their_own_types_and_are_nullable_only_where_the_model_copes() -> None:
    model = make_pipeline(
        ColumnTransformer(
            [
                ("age", SimpleImputer(), ["age"]),
                ("job", OneHotEncoder(handle_unknown="ignore"), ["job"]),
                ("married", "passthrough", ["married"]),
            ]
        ),
        LogisticRegression(),
    ).fit(PEOPLE, LABELS)
    signature = Signature.learn(PEOPLE, model)
    assert types(signature) == ["integer", "string", "boolean"]
    assert [column.nullable for column in signature.columns] == [True, True, False]


def test_a_model_that_takes_missing_values_everywhere_says_so() -> None:
    model = HistGradientBoostingClassifier(min_samples_leaf=1).fit(np.array(ROWS), LABELS)
    assert Signature.learn(ROWS, model).nullable
    assert Signature.learn(None, model).nullable


def test_pandas_categories_are_kept() -> None:
    frame = pd.DataFrame({"size": pd.Categorical(["S", "M", "S", "M"], categories=["S", "M", "L"])})
    model = HistGradientBoostingClassifier(min_samples_leaf=1, categorical_features="from_dtype").fit(frame, LABELS)
    signature = Signature.learn(frame, model)
    assert signature.columns[0].categories == ("S", "M", "L")
    assert signature.columns[0].nullable
    assert model.predict(signature.assemble([signature.check([["M"]])])).tolist() == model.predict(frame[1:2]).tolist()


def test_unnamed_rows_of_several_types_are_a_table_without_labels() -> None:
    rows = [["nurse", 1], ["cook", 2], ["nurse", 3], ["cook", 4]]
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    model.fit(np.array(rows, dtype=object), LABELS)
    signature = Signature.learn(rows, model)
    assert (names(signature), types(signature), signature.labelled) == (["0", "1"], ["string", "integer"], False)


def test_without_a_sample_the_estimator_tells_what_it_can() -> None:
    assert Signature.learn(None, by_array()) == Signature(kind="matrix", width=2)
    assert names(Signature.learn(None, by_frame())) == ["x", "y"]
    assert Signature.learn(None, make_pipeline(CountVectorizer(), DummyClassifier())) == Signature(kind="any")
    encoder = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(PEOPLE[["job"]], LABELS)
    assert Signature.learn(None, encoder) == Signature(kind="any")


def test_without_an_estimator_the_sample_alone_is_described() -> None:
    signature = Signature.learn(PEOPLE)
    assert types(signature) == ["integer", "string", "boolean"]


class Doubles:
    """A model that is nobody's estimator."""

    def predict(self, rows: Any) -> list[float]:
        return [2 * float(row[0]) for row in rows]


def test_anything_with_a_predict_method_is_a_model() -> None:
    assert Signature.learn(ROWS, Doubles()) == Signature(kind="matrix", width=2, nullable=True)
    assert Signature.learn(None, Doubles()) == Signature(kind="any")


@pytest.mark.parametrize(
    ("sample", "sentence"),
    [
        ([], "the sample has no rows"),
        (5, "a int is no sample"),
        ([[1.0], [1.0, 2.0]], "row 1 of the sample is not a list of 1 values"),
        ([{"x": 1, "y": 1}, {"x": 1}], "row 1 of the sample is not a record with the columns x, y"),
        (["a", 1], "row 1 of the sample is 1; expected a text"),
        ([[1.0, 2.0, 3.0]], "the sample has 3 columns, the model was fitted with 2"),
        ([[1.0, "a"], [1.0, 2.0]], "column 'y' mixes numbers and strings"),
        (pd.DataFrame({"x": [1.0]}), "the sample has no column 'y'"),
        (pd.DataFrame({"x": [1.0], "y": [pd.Timestamp(0)]}), "column 'y' holds a Timestamp"),
        (pd.DataFrame([[1.0, 2.0]], columns=["x", "x"]), "two columns of one name"),
        (np.zeros(3), "the sample array has 1 dimensions"),
        ([[1.0, float("inf")]], "only finite numbers are taken"),
        (["text"], "predict fails on the sample: ValueError"),
        ("missing.csv", "cannot be read"),
        ("sample.xlsx", "unknown ending"),
    ],
)
def test_a_sample_that_cannot_be_used_is_refused_with_a_sentence(sample: object, sentence: str) -> None:
    with pytest.raises(InvalidRelease, match=sentence):
        Signature.learn(sample, by_frame())


def test_a_model_that_fails_on_its_sample_shows_its_own_error() -> None:
    model = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
    with pytest.raises(InvalidRelease, match="predict fails on the sample: ValueError: Input X contains NaN"):
        Signature.learn([[1.0], [None]], model)


def test_an_npy_sample_with_objects_is_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "sample.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InvalidRelease, match="cannot be read"):
        Signature.learn(path, by_array())
