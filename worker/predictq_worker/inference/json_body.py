"""JSON bodies: rows, records or texts. A null is a missing value; bare NaN and Infinity are refused."""

import json
import re
from collections import Counter
from typing import Any, Final

import orjson

from predictq_broker.messages import Code
from predictq_worker.inference.answers import Limits
from predictq_worker.inference.errors import BadBody

__all__ = ["MAX_DEPTH", "decode_json"]

MAX_DEPTH: Final = 32
"""Arrays and objects may be nested this deep."""

_ALWAYS_SHALLOW: Final = 2 * MAX_DEPTH + 2
_SAME_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.?[^"\\]*+)*+(?:"|\Z)', re.DOTALL)
"""A text, or one that never ends: what begins with a quote always matches, which keeps the search linear."""
_NOT_FINITE: Final = re.compile(rb"[-+]?(?:NaN|nan|Infinity|inf)")
_RECORDS: Final = {dict}
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


def decode_json(body: bytes, limits: Limits) -> list[Any]:
    """The rows in `body`, at least one.

    Raises:
        BadBody: if it is not a JSON array of rows within the limits.
    """
    size = len(body)
    if size > limits.max_body_bytes:
        raise too_many("bytes", size, limits.max_body_bytes)
    if size >= _ALWAYS_SHALLOW and _is_deep(body):
        raise BadBody(f"the JSON is nested deeper than {MAX_DEPTH} levels: send an array of rows")
    try:
        rows = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadBody(_complaint(body, error)) from None
    if type(rows) is not list or not rows:
        raise BadBody(_not_rows(rows))
    if len(rows) > limits.max_rows:
        raise too_many("rows", len(rows), limits.max_rows)
    if b"{" in body:
        _refuse_repeated_names(body, rows)
    return rows  # pyright: ignore[reportUnknownVariableType]  rows are checked by the signature


def too_many(what: str, found: int, most: int) -> BadBody:
    """The refusal of a body with more bytes or rows than a request may have."""
    message = f"the body holds {found} {what}; a request may have at most {most}: split it into several"
    return BadBody(message, Code.TOO_LARGE)


def _is_deep(body: bytes) -> bool:
    """Whether brackets are nested beyond `MAX_DEPTH`, told without parsing: peel off the innermost pairs.

    What is not balanced is left to the parser, which tells where.
    """
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    bare = _STRING.sub(b"", body) if b'"' in body else body
    brackets = bare.translate(_SAME_BRACKETS, _NOT_BRACKETS)
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"[]", b"")
    return b"[]" in brackets or brackets.count(b"[") > MAX_DEPTH


def _refuse_repeated_names(body: bytes, rows: list[Any]) -> None:
    """Of two members of one name the parser keeps the last, and another reader may keep the first: whose is right?

    Each member of an object has one colon of its own, so what the parser dropped is missing in the count.
    """
    colons = body.count(b":")
    if type(rows[0]) is dict and set(map(type, rows)) == _RECORDS and sum(map(len, rows)) == colons:
        return
    if _members(rows) < (_STRING.sub(b"", body).count(b":") if b'"' in body else colons):
        name = _first_repeated(body)
        raise BadBody(f"a record names {name[:80]!r} twice: send each column once")


def _members(value: Any) -> int:  # noqa: ANN401  anything JSON can say, at most `MAX_DEPTH` deep
    if type(value) is dict:
        return len(value) + sum(map(_members, value.values()))
    return sum(map(_members, value)) if type(value) is list else 0


def _first_repeated(body: bytes) -> str:
    """The name; it is read again by a slow parser that shows every member."""
    found: list[str] = []

    def look(pairs: list[tuple[str, object]]) -> None:
        names = Counter(name for name, _ in pairs)
        found.extend(name for name, count in names.items() if count > 1)

    json.loads(body, object_pairs_hook=look, parse_int=float)
    return found[0]


def _complaint(body: bytes, error: orjson.JSONDecodeError) -> str:
    if not body.strip():
        return "the body is empty: send a JSON array of rows, such as [[5.1, 3.5]]"
    if body.startswith(b"\xef\xbb\xbf"):
        return "the body begins with a byte order mark: send UTF-8 without one"
    if body.startswith(_UTF16_MARKS) or b"\0" in body[:4]:
        return "the body looks like UTF-16 or UTF-32: send JSON in UTF-8"
    if _NOT_FINITE.match(body, _value_start(body, error.pos)):
        return f"JSON has no NaN or Infinity (at {_place(error)}): send null for a missing value"
    return f"the body is not JSON: {error.msg} ({_place(error)})"


def _value_start(body: bytes, pos: int) -> int:
    return pos - 1 if pos and body[pos - 1 : pos] in (b"-", b"+") else pos


def _place(error: orjson.JSONDecodeError) -> str:
    return f"line {error.lineno} column {error.colno}"


def _not_rows(found: object) -> str:
    match found:
        case []:
            return "the body holds no rows: send at least one, such as [[5.1, 3.5]]"
        case dict():
            kind = "an object"
        case str():
            kind = "a text"
        case None | True | False:
            kind = "true, false or null"
        case _:
            kind = "a number"
    return f'the body is {kind}, not an array of rows: send [[5.1, 3.5]], [{{"age": 41}}] or ["great film"]'
