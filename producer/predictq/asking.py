"""From the arguments of a call to a request the broker will take."""

from functools import lru_cache
from typing import TypedDict

from predictq import rows as encoding
from predictq.errors import InvalidInput
from predictq.ids import Ids
from predictq.settings import Settings
from predictq.values import Rows
from predictq_broker import Priority, Request, check_name, is_inbox
from predictq_broker.errors import InvalidName

__all__ = ["Options", "build_request", "checked_queue"]

_LONGEST_HEADER = 4096
_LONGEST_DEADLINE = 365 * 86400.0


class Options(TypedDict, total=False):
    """What may be said beside model and rows; all of it may be left out.

    Attributes:
        method: What to call on the model: `predict` (the default), `predict_proba`, `transform` …
        ref: Which release: an alias such as `production` (the default), or a version such as `3`.
        priority: `high`, `normal` (the default) or `low`.
        deadline: Seconds after which the answer is worthless; then the request is not run any more.
        key: For sticky routing; free text.
        id: Idempotency key: the same question under the same id is asked once. Random unless given.
        traceparent: W3C trace context, handed on as it is.
    """

    method: str
    ref: str
    priority: str
    deadline: float | None
    key: str
    id: str
    traceparent: str


def build_request(  # noqa: PLR0913  each is one field of the request
    settings: Settings,
    ids: Ids,
    model: str,
    rows: Rows,
    *,
    reply_to: str,
    method: str = "predict",
    ref: str = "production",
    priority: str = "normal",
    deadline: float | None = None,
    key: str = "",
    id: str = "",  # noqa: A002  the word callers know it by
    traceparent: str = "",
) -> Request:
    """The request for one call.

    Raises:
        InvalidInput: if a name, a number or the rows cannot be used; it says which and why.
        TooLarge: if the rows are more than one request may have.
    """
    checked = _checked_names(model, ref, method, priority)
    if id:
        _checked("id", id)
    if key or traceparent:
        _check_headers(key=key, traceparent=traceparent)
    if deadline is not None and not 0 < deadline <= _LONGEST_DEADLINE:
        raise InvalidInput(f"deadline must be between 0 and {_LONGEST_DEADLINE:g} seconds, not {deadline!r}")
    body, content_type, count = encoding.encode(rows, settings)
    return Request(
        model,
        body,
        id or ids.next(),
        ref,
        reply_to,
        method,
        content_type,
        count,
        deadline,
        checked,
        key,
        traceparent,
    )


@lru_cache(maxsize=256)
def _checked_names(model: str, ref: str, method: str, priority: str) -> Priority:
    for kind, name in (("model", model), ("ref", ref), ("method", method)):
        _checked(kind, name)
    try:
        return Priority(priority)
    except ValueError:
        raise InvalidInput(f"priority must be high, normal or low, not {priority!r}", model=model) from None


def _checked(kind: str, name: str) -> str:
    if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]  callers may not be typed
        raise InvalidInput(f"{kind} must be a text, not {type(name).__name__}")
    try:
        return check_name(kind, name)
    except InvalidName as error:
        raise InvalidInput(str(error)) from None


def _check_headers(**headers: str) -> None:
    for name, text in headers.items():
        if len(text.encode()) > _LONGEST_HEADER:
            raise InvalidInput(f"{name} has more than {_LONGEST_HEADER} bytes")


def checked_queue(name: str) -> str:
    """`name` as a durable result queue, or `InvalidInput`."""
    _checked("result queue", name)
    if is_inbox(name):
        raise InvalidInput(f"result queue {name!r}: names that begin with 'inbox.' are for clients' own inboxes")
    return name
