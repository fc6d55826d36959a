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

__all__ = ["Options", "Question", "Questions", "checked_queue"]

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


Question = tuple[Request, bytes, str, bool]
"""The form, which many requests have in common; the encoded rows; the id; whether the caller chose that. A plain tuple:
one is made for every request.
"""


class Questions:
    """Makes questions of what callers pass, whose answers come to `reply_to` unless they are told otherwise."""

    def __init__(self, settings: Settings, reply_to: str) -> None:
        self._settings = settings
        self._reply_to = reply_to
        self._ids = Ids()

    def make(
        self, model: str, rows: Rows, options: Options, *, timeout: float | None = None, reply_to: str | None = None
    ) -> Question:
        """What is to be asked; its deadline is the nearer of `timeout` and the one among the options.

        Raises:
            InvalidInput: if a name, a number or the rows cannot be used; it says which and why.
            TooLarge: if the rows are more than one request may have.
        """
        chosen = options.pop("id", "") if options else ""
        if chosen:
            _checked("id", chosen)
        body, content_type, count = encoding.encode(rows, self._settings)
        to = self._reply_to if reply_to is None else reply_to
        try:
            form = _form(to, model, content_type, count, timeout, **options)
        except TypeError:  # something that cannot be kept, such as a list, which is told by its name
            form = _form.__wrapped__(to, model, content_type, count, timeout, **options)
        return form, body, chosen or self._ids.next(), bool(chosen)


@lru_cache(maxsize=1024)
def _form(  # noqa: PLR0913  each is one field of the request
    reply_to: str,
    model: str,
    content_type: str,
    rows: int,
    timeout: float | None,
    *,
    ref: str = "production",
    method: str = "predict",
    priority: str = "normal",
    deadline: float | None = None,
    key: str = "",
    traceparent: str = "",
) -> Request:
    """A request that lacks an id and a body. Nothing in it is of a type of the caller's, whose equals get it too."""
    names = _checked("model", model), _checked("ref", ref), _checked("method", method)
    return Request(
        *(names[0], b"", "", names[1], reply_to, names[2], content_type, rows),
        ttl=_nearer(timeout, deadline),
        priority=_checked_priority(priority, model),
        key=_checked_header("key", key),
        traceparent=_checked_header("traceparent", traceparent),
    )


def _nearer(timeout: float | None, deadline: float | None) -> float | None:
    given = [_in_seconds(told) for told in (timeout, deadline) if told is not None]
    if given and not 0 < min(given) <= _LONGEST_DEADLINE:
        raise InvalidInput(f"deadline must be between 0 and {_LONGEST_DEADLINE:g} seconds, not {min(given)!r}")
    return min(given, default=None)


def _in_seconds(told: float) -> float:
    try:
        return float(told)
    except (TypeError, ValueError):
        raise InvalidInput(f"deadline must be a number of seconds, not {told!r}") from None


def _checked_priority(name: str, model: str) -> Priority:
    try:
        return Priority(name)
    except ValueError:
        raise InvalidInput(f"priority must be high, normal or low, not {name!r}", model=model) from None


def _checked(kind: str, name: str) -> str:
    _check_text(kind, name)
    try:
        return check_name(kind, str.__str__(name))
    except InvalidName as error:
        raise InvalidInput(str(error)) from None


def _check_text(kind: str, text: str) -> None:
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]  callers may not be typed
        raise InvalidInput(f"{kind} must be a text, not {type(text).__name__}")


def _checked_header(name: str, text: str) -> str:
    _check_text(name, text)
    if len(text.encode()) > _LONGEST_HEADER:
        raise InvalidInput(f"{name} has more than {_LONGEST_HEADER} bytes")
    return str.__str__(text)


def checked_queue(name: str) -> str:
    """`name` as a durable result queue, or `InvalidInput`."""
    _checked("result queue", name)
    if is_inbox(name):
        raise InvalidInput(f"result queue {name!r}: names that begin with 'inbox.' are for clients' own inboxes")
    return name
