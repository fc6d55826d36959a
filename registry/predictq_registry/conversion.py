"""A fitted model in another format, if it answers there as it does here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from predictq_registry.errors import InvalidRelease
from predictq_registry.loading import open_content
from predictq_registry.runtimes import Content, Runtime, runtime_named
from predictq_registry.trial import try_method

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from predictq_registry.inputs.learn import Learnt

__all__ = ["PARITY", "Converted", "convert"]

PARITY: Final = "parity"
"""The manifest's option that tells how a converted model compares with what it was made from."""
_FARTHEST: Final = 1e-3
"""How far a number may be from the model's own, as a share of the largest."""


class Converted(NamedTuple):
    """A model in the format it will be stored in.

    Attributes:
        runtime: That format.
        content: What is stored.
        model: What `runtime` loads out of it.
        remarks: Which other formats were wished for and could not be had, and why.
    """

    runtime: Runtime
    content: Content
    model: object
    remarks: tuple[str, ...] = ()


class _Parity(NamedTuple):
    """How two models' answers to the same rows compare."""

    rows: int
    difference: float


def convert(model: object, learnt: Learnt, formats: Sequence[str]) -> Converted:
    """`model` in the first of `formats` that it can be had in: loaded from its bytes, and compared on the sample.

    Labels must be identical, numbers within a thousandth of the largest.

    Raises:
        InvalidRelease: if it can be had in none; it says why, format by format.
    """
    reasons: list[str] = []
    for name in formats:
        runtime = runtime_named(name)
        try:
            content, found = _closest(model, learnt, runtime)
        except InvalidRelease as error:
            reasons.append(f"not as {name}: {error}")
        except ModuleNotFoundError as error:
            reasons.append(f"not as {name}: {error}: pip install 'predictq[{name}]'")
        else:
            return Converted(runtime, content, found, tuple(reasons))
    hint = "" if len(formats) > 1 else "; --format may name another one to fall back on, such as onnx,skops,joblib"
    raise InvalidRelease("; ".join(reasons) + hint)


def _closest(model: object, learnt: Learnt, runtime: Runtime) -> tuple[Content, object]:
    """Of the ways in which `runtime` can write `model`, the one that answers most like it."""
    tried: list[tuple[float, Content, object]] = []
    reasons: list[InvalidRelease] = []
    for content in runtime.dump(model, learnt):
        try:
            found, _ = open_content(runtime, content)
            if runtime.faithful:
                return content, found
            parity = _compare(model, found, learnt)
        except InvalidRelease as error:
            reasons.append(error)
        else:
            tried.append((parity.difference, _noted(content, parity), found))
    if not tried:
        raise reasons[0]
    _, content, found = min(tried, key=lambda one: one[0])
    return content, found


def _noted(content: Content, parity: _Parity) -> Content:
    return content._replace(options={**content.options, PARITY: parity._asdict()})


def _compare(model: object, converted: object, learnt: Learnt) -> _Parity:
    if not learnt.rows:
        raise InvalidRelease("without a sample it cannot be compared with the model: publish with one")
    largest = 0.0
    for method in ("predict", "predict_proba"):
        if callable(getattr(model, method, None)) and callable(getattr(converted, method, None)):
            expected = try_method(model, method, learnt.signature, learnt.rows)
            got = try_method(converted, method, learnt.signature, learnt.rows)
            largest = max(largest, _distance(method, expected, got))
    return _Parity(len(learnt.rows), largest)


def _distance(method: str, expected: list[Any], got: list[Any]) -> float:
    """The largest difference of two numbers."""
    there, here = list(_leaves(expected)), list(_leaves(got))
    if len(there) != len(here):
        raise InvalidRelease(f"{method} answers {len(here)} values instead of {len(there)}")
    numbers: list[tuple[float, float]] = []
    others = 0
    for ours, its in zip(there, here, strict=True):
        if isinstance(ours, float) and isinstance(its, (int, float)):
            numbers.append((ours, its))
        else:
            others += ours != its  # a NaN is a text here, and no number
    if others:
        raise InvalidRelease(f"{method} answers otherwise for {others} of {len(there)} values")
    farthest = max((abs(ours - its) for ours, its in numbers), default=0.0)
    if farthest > _FARTHEST * max((abs(ours) for ours, _ in numbers), default=1.0):
        raise InvalidRelease(f"{method} is up to {farthest:.3g} away from what the model answers")
    return farthest


def _leaves(value: Any) -> Iterator[object]:  # noqa: ANN401  JSON values
    if isinstance(value, list):
        for part in value:
            yield from _leaves(part)
    else:
        yield value
