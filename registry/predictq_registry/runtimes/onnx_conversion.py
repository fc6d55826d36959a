"""From a fitted scikit-learn model to ONNX, with skl2onnx, for the rows that a release takes."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any, Final

from predictq_registry.errors import InvalidRelease

if TYPE_CHECKING:
    from predictq_registry.inputs.learn import Learnt
    from predictq_registry.inputs.signature import Signature

__all__ = ["convert"]

_LONGEST: Final = 300


def convert(model: object, learnt: Learnt) -> list[bytes]:
    """The model's graph in doubles and in floats, as far as there are such.

    Trees compare in floats and are exact only there; what is linear is closer in doubles.

    Raises:
        InvalidRelease: if the rows are of no known type, or skl2onnx can convert it in neither way.
    """
    if learnt.signature.kind == "any":
        raise InvalidRelease("ONNX needs to know the columns and their types: publish with a sample")
    graphs: list[bytes] = []
    reasons: list[str] = []
    for types in (_types(doubles=True), _types(doubles=False)):
        try:
            graphs.append(_graph(model, learnt.signature, types))
        except Exception as error:  # noqa: BLE001  a converter raises whatever it meets; it is told below
            reasons.append(f"{type(error).__name__}: {_first_sentence(error)}")
    if not graphs:
        raise InvalidRelease(f"skl2onnx cannot convert a {type(model).__name__}: {reasons[0]}")
    return graphs


def _first_sentence(error: Exception) -> str:
    """What is wrong, without what skl2onnx advises then: its own issue tracker."""
    text = " ".join(str(error).split()).partition(" You may raise an issue at ")[0]
    text = text.partition(" It usually means the pipeline ")[0].rstrip(".")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _types(*, doubles: bool) -> dict[str, Any]:
    """The tensor of each type of column."""
    from skl2onnx.common import data_types

    numbers = data_types.DoubleTensorType if doubles else data_types.FloatTensorType
    return {
        "number": numbers,
        "integer": numbers,
        "boolean": data_types.BooleanTensorType,
        "string": data_types.StringTensorType,
    }


def _graph(model: object, signature: Signature, types: dict[str, Any]) -> bytes:
    """With one input of all columns if they are numbers; else, or if the model chooses by name, with one a column."""
    logging.getLogger("skl2onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the outcome is compared with the model; nothing else counts
        if not _numbers_only(signature):
            return _converted(model, _columns(signature, types))
        try:
            return _converted(model, _whole(signature, types))
        except Exception as whole:  # noqa: BLE001  a converter raises whatever it meets
            try:
                return _converted(model, _columns(signature, types))
            except Exception as error:  # noqa: BLE001  as above
                sentences = dict.fromkeys(map(_first_sentence, (whole, error)))
                raise ValueError("; and with an input for each column: ".join(sentences)) from whole


def _converted(model: object, inputs: list[tuple[str, Any]]) -> bytes:
    from skl2onnx import convert_sklearn

    graph: Any = convert_sklearn(model, initial_types=inputs, options=_options(model))
    data: bytes = graph.SerializeToString()
    return data


def _numbers_only(signature: Signature) -> bool:
    return signature.kind == "table" and all(column.type in {"number", "integer"} for column in signature.columns)


def _whole(signature: Signature, types: dict[str, Any]) -> list[tuple[str, Any]]:
    return [("rows", types["number"]([None, len(signature.columns)]))]


def _columns(signature: Signature, types: dict[str, Any]) -> list[tuple[str, Any]]:
    if signature.kind == "texts":
        return [("text", types["string"]([None, 1]))]
    if signature.kind == "matrix":
        return [("rows", types["number"]([None, signature.width]))]
    return [(column.name, types[column.type]([None, 1])) for column in signature.columns]


def _options(model: object) -> dict[object, dict[str, Any]]:
    """Probabilities as an array, not as a dictionary a row; texts without a locale that machines may lack."""
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

    options: dict[object, dict[str, Any]] = {kind: {"locale": "C"} for kind in (CountVectorizer, TfidfVectorizer)}
    return options | ({id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else {})
