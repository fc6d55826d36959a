"""From a sample and a fitted estimator to the signature of a release."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from predictq_registry.errors import InvalidRelease
from predictq_registry.inputs.columns import Column
from predictq_registry.inputs.inference import column_type
from predictq_registry.inputs.nullability import with_nullable
from predictq_registry.inputs.samples import Sample, SampleSource, read_sample
from predictq_registry.inputs.signature import Signature
from predictq_registry.trial import try_method

__all__ = ["Learnt", "learn"]


class Learnt(NamedTuple):
    """A signature, and the sample's rows as a requester would send them."""

    signature: Signature
    rows: list[Any]


def learn(source: SampleSource, estimator: object) -> Learnt:
    """See `Signature.learn`."""
    if source is None:
        return Learnt(_from_estimator(estimator), [])
    sample = _selected(read_sample(source), _fitted_names(estimator), _fitted_width(estimator))
    signature = _signature(sample, estimator)
    rows = _as_sent(sample, signature)
    if estimator is None:
        return Learnt(signature, rows)
    try_method(estimator, "predict", signature, rows)
    return Learnt(with_nullable(signature, estimator, sample.rows[0]), rows)


def _signature(sample: Sample, estimator: object) -> Signature:
    if sample.texts:
        return Signature(kind="texts")
    names = sample.names or tuple(str(place) for place in range(len(sample.rows[0])))
    series = list(zip(*sample.rows, strict=True))
    columns = tuple(_column(name, values, sample) for name, values in zip(names, series, strict=True))
    numbers_only = all(column.type in {"number", "integer"} for column in columns)
    if sample.names is None and numbers_only:
        return Signature(kind="matrix", width=len(columns), nullable=any(column.nullable for column in columns))
    labelled = sample.names is not None and not _fitted_without_names(estimator)
    if numbers_only and not labelled:  # the model sees one array of floats
        columns = tuple(column.model_copy(update={"type": "number"}) for column in columns)
    return Signature(kind="table", columns=columns, labelled=labelled)


def _column(name: str, values: Sequence[Any], sample: Sample) -> Column:
    try:
        kind = "string" if name in sample.categories else column_type(values)
    except ValueError as error:
        raise InvalidRelease(f"the sample's column {name!r} {error}") from None
    return Column(name=name, type=kind, nullable=None in values, categories=sample.categories.get(name))


def _selected(sample: Sample, fitted: tuple[str, ...] | None, width: int | None) -> Sample:
    """The columns that the estimator was fitted with, in its order."""
    if sample.texts:
        return sample
    if fitted and sample.names is None and len(sample.rows[0]) == len(fitted):
        return sample._replace(names=fitted)
    if fitted and sample.names is not None:
        places = _places(fitted, sample.names)
        names = tuple(sample.names[place] for place in places)
        return sample._replace(names=names, rows=[[row[place] for place in places] for row in sample.rows])
    expected = len(fitted) if fitted else width
    if expected is not None and len(sample.rows[0]) != expected:
        raise InvalidRelease(
            f"the sample has {len(sample.rows[0])} columns, the model was fitted with {expected}: give only those"
        )
    return sample


def _places(fitted: Sequence[str], names: Sequence[str]) -> list[int]:
    """Where in `names` each column is that the model was fitted with; LightGBM keeps `_` for each blank in a name."""
    found = {name.replace(" ", "_"): place for place, name in enumerate(names)}
    found |= {name: place for place, name in enumerate(names)}
    missing = [name for name in fitted if name not in found]
    if missing:
        raise InvalidRelease(f"the sample has no column {missing[0]!r}, which the model was fitted with")
    return [found[name] for name in fitted]


def _as_sent(sample: Sample, signature: Signature) -> list[Any]:
    if signature.kind == "table" and sample.names is not None:
        return [dict(zip(sample.names, row, strict=True)) for row in sample.rows]
    return list(sample.rows)


def _from_estimator(estimator: object) -> Signature:
    """What the estimator itself tells, if it takes numbers: zeros are tried. Else nothing is known."""
    names, width = _fitted_names(estimator), _fitted_width(estimator)
    if names:
        columns = tuple(Column(name=name, type="number") for name in names)
        guess = Signature(kind="table", columns=columns)
    elif width:
        guess = Signature(kind="matrix", width=width)
    else:
        return Signature(kind="any")
    zeros = [0.0] * (len(names) if names else width or 1)
    try:
        try_method(estimator, "predict", guess, [zeros])
    except InvalidRelease:
        return Signature(kind="any")
    return with_nullable(guess, estimator, zeros)


def _fitted_names(estimator: object) -> tuple[str, ...] | None:
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        names = _names_in_catboost(estimator)
        numbered = names == [str(place) for place in range(len(names))]  # what CatBoost calls those without names
        return None if numbered else tuple(names)
    return tuple(map(str, names))


def _fitted_width(estimator: object) -> int | None:
    width = getattr(estimator, "n_features_in_", None)
    return int(width or len(_names_in_catboost(estimator))) or None  # of an unpickled CatBoost model it is 0


def _names_in_catboost(estimator: object) -> list[str]:
    return list(getattr(estimator, "feature_names_", None) or ())


def _fitted_without_names(estimator: object) -> bool:
    return _fitted_names(estimator) is None and _fitted_width(estimator) is not None
