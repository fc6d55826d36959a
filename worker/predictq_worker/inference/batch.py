"""One batch of one release and method: decode, check, predict, bisect, encode; one answer a request, in order.

Each request is decoded and checked alone. Those of one shape are put together and predicted at once. If that
fails they are halved and assembled anew from what was checked, until what fails stands alone.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from predictq_broker.messages import Code
from predictq_registry import Checked, InputError, Loaded
from predictq_worker.inference.answers import Answer, Failed, Limits
from predictq_worker.inference.content import decoder
from predictq_worker.inference.encode import encode
from predictq_worker.inference.errors import BadBody, BadOutput, describe, one_line
from predictq_worker.inference.outputs import output_rows

__all__ = ["predict_batch"]

_DENSE_AT_ONCE = 8
"""How many answers of the largest size a group's sparse output may take when it is made dense."""


_Group = list[tuple[int, Checked]]
"""Requests of one shape: their place in the batch, and what was checked."""


def predict_batch(
    loaded: Loaded, method: str, content_type: str, bodies: Sequence[bytes], limits: Limits
) -> list[Answer]:
    """One answer for each body, in order. Never raises because of a body or of what the model does."""
    refusal = _refusal(loaded, method, content_type)
    if refusal is not None:
        return [refusal] * len(bodies)
    answers: dict[int, Answer] = {}
    groups = _checked_groups(loaded, content_type, bodies, limits, answers)
    for group in groups:
        for part, outcome in _predicted(loaded, method, content_type, group, limits):
            answers.update(zip((place for place, _ in part), outcome, strict=True))
    return [answers[index] for index in range(len(bodies))]


def _refusal(loaded: Loaded, method: str, content_type: str) -> Failed | None:
    """Why no request of the batch can be answered, if so."""
    methods = loaded.manifest.methods
    if method not in methods:
        return Failed(
            Code.INVALID_INPUT, f"this release has no method {one_line(method)!r}: ask for {', '.join(methods)}"
        )
    try:
        decoder(content_type)
    except BadBody as error:
        return Failed(error.code, error.message)
    return None


def _checked_groups(
    loaded: Loaded, content_type: str, bodies: Sequence[bytes], limits: Limits, answers: dict[int, Answer]
) -> Iterator[_Group]:
    """The sound requests by their shape; the others get their answer at once."""
    decode, check = decoder(content_type), loaded.manifest.signature.check
    groups: defaultdict[object, _Group] = defaultdict(list)
    for index, body in enumerate(bodies):
        try:
            checked = check(decode(body, limits))
        except Exception as error:  # noqa: BLE001  sorted out by `_bad_input`
            answers[index] = _bad_input(error)
        else:
            groups[checked.shape].append((index, checked))
    return iter(groups.values())


def _bad_input(error: Exception) -> Failed:
    match error:
        case BadBody():
            return Failed(error.code, error.message)
        case InputError():
            return Failed(Code.INVALID_INPUT, one_line(str(error)))
        case MemoryError():
            return Failed(Code.TOO_LARGE, "there is not enough memory to read the body: ask with fewer rows")
        case _:
            return Failed(Code.INTERNAL, f"the body could not be checked: {describe(error)}")


def _predicted(
    loaded: Loaded, method: str, content_type: str, group: _Group, limits: Limits
) -> Iterator[tuple[_Group, list[Answer]]]:
    """The group's answers, as few parts as could be predicted at once."""
    waiting = [group]
    while waiting:
        part = waiting.pop()
        outcome = _attempt(loaded, method, content_type, part, limits)
        if isinstance(outcome, list):
            yield part, outcome
        elif len(part) == 1:
            yield part, [outcome]
        else:
            middle = len(part) // 2
            waiting += [part[middle:], part[:middle]]


def _attempt(loaded: Loaded, method: str, content_type: str, part: _Group, limits: Limits) -> list[Answer] | Failed:
    """The answers of `part`, or why the model gave none. Assembled anew: a model may have altered its last input."""
    checked = [rows for _, rows in part]
    counts = [rows.count for rows in checked]
    most_bytes = limits.max_answer_bytes * min(len(part), _DENSE_AT_ONCE)
    try:
        model_input = loaded.manifest.signature.assemble(checked)
        outputs = output_rows(loaded.call(method, model_input), sum(counts), most_bytes)
        return encode(content_type, outputs, counts, limits)
    except BadOutput as error:
        return Failed(error.code, error.message)
    except BaseException as error:  # noqa: BLE001  a model may raise anything, SystemExit too, and must not end the loop
        return Failed(Code.MODEL_ERROR, describe(error))
