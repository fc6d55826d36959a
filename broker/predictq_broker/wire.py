"""The fields of a request and of a result, as `docs/protocol.md` describes them to other languages.

A message is a flat map of text fields and one `body`. A field that has its default is left out, so a request
written by hand needs only `id`, `reply_to` and `body`, and a busy queue stores no more than it must.
"""

import re
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Final

from predictq_broker.messages import PROTOCOL_VERSION, Code, Fault, Priority, Request, Result, Timings
from predictq_broker.names import LONGEST_NAME, NAME_CHARACTERS, is_name

__all__ = [
    "MAX_HEADER_BYTES",
    "common_request_fields",
    "common_result_fields",
    "is_plain_name",
    "plain_names",
    "read_request",
    "read_result",
    "read_results",
    "request_fields",
    "result_fields",
]

MAX_HEADER_BYTES: Final = 4096
"""No header of a request may be longer."""
_MAX_TTL: Final = 366 * 86400.0

_PLAIN: Final = frozenset((b"id", b"reply_to", b"ttl", b"body"))
is_plain_name: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}").fullmatch
"""Whether the bytes of an id or a reply-to are a name."""

Field = str | bytes | int | float
_BLANK = Request(model="", body=b"")
_HEADERS: Final = ("ref", "method", "content_type", "rows", "key", "traceparent")
_headers: Final = attrgetter(*_HEADERS)
_DEFAULTS: Final = _headers(_BLANK)


def request_fields(request: Request) -> list[Field]:
    """The request as alternating names and values; `model` and `priority` are told by its queue."""
    return ["id", request.id, *common_request_fields(request), "body", request.body]


def common_request_fields(request: Request) -> list[Field]:
    """Those fields that many requests have in common."""
    fields: list[Field] = []
    if request.reply_to:
        fields += ("reply_to", request.reply_to)
    if request.ttl is not None:
        fields += ("ttl", round(request.ttl * 1000))
    if _headers(request) != _DEFAULTS:
        fields += _optional_headers(request)
    return fields


def _optional_headers(request: Request) -> list[Field]:
    fields: list[Field] = []
    for name, value, default in zip(_HEADERS, _headers(request), _DEFAULTS, strict=True):
        if value != default:
            fields += (name, value)
    return fields


def read_request(model: str, priority: Priority, fields: Mapping[bytes, bytes]) -> tuple[Request, Fault | None]:
    """The request in `fields`, and what is wrong with it, if anything.

    Never raises. An unknown field is ignored. What cannot be read keeps its default, so that a faulty message
    can still be answered if its `id` and `reply_to` are sound.
    """
    plain = _read_plain(model, priority, fields)
    if plain is not None:
        return plain, None
    headers: dict[str, str] = {}
    fault: Fault | None = None
    for name, value in fields.items():
        if name == b"body":
            continue
        try:
            headers[name.decode()] = _header(value)
        except ValueError:
            shown = name[:40].decode(errors="replace")
            fault = Fault(Code.INVALID_INPUT, f"header {shown!r} is not UTF-8 of at most {MAX_HEADER_BYTES} bytes")
    request = _sound(model, priority, headers, fields.get(b"body", b""))
    return request, _version_fault(headers) or fault or _fault(headers, fields)


def _read_plain(model: str, priority: Priority, fields: Mapping[bytes, bytes]) -> Request | None:
    """The request if it is one of the many that have no header but these, and nothing wrong; a tenth of the work."""
    if not fields.keys() <= _PLAIN:
        return None
    name, reply_to, ttl = fields.get(b"id", b""), fields.get(b"reply_to", b""), fields.get(b"ttl", b"")
    body = fields.get(b"body")
    if body is None or not is_plain_name(name) or (reply_to and not is_plain_name(reply_to)):
        return None
    if ttl and (len(ttl) > 8 or not ttl.isdigit()):
        return None
    seconds = int(ttl) / 1000 if ttl else None
    return Request(model, body, name.decode(), reply_to=reply_to.decode(), ttl=seconds, priority=priority)


def _header(value: bytes) -> str:
    if len(value) > MAX_HEADER_BYTES:
        raise ValueError(MAX_HEADER_BYTES)
    return value.decode()


def _sound(model: str, priority: Priority, headers: Mapping[str, str], body: bytes) -> Request:
    rows = headers.get("rows", "1")
    ttl = _milliseconds(headers.get("ttl"))
    return Request(
        model=model,
        body=body,
        id=_name_or_blank(headers.get("id", "")),
        ref=headers.get("ref", _BLANK.ref),
        reply_to=_name_or_blank(headers.get("reply_to", "")),
        method=headers.get("method", _BLANK.method),
        content_type=headers.get("content_type", _BLANK.content_type),
        rows=int(rows) if _is_count(rows) else 1,
        ttl=ttl,
        priority=priority,
        key=headers.get("key", ""),
        traceparent=headers.get("traceparent", ""),
    )


def _version_fault(headers: Mapping[str, str]) -> Fault | None:
    version = headers.get("v", str(PROTOCOL_VERSION))
    if version == str(PROTOCOL_VERSION):
        return None
    return Fault(
        Code.UNSUPPORTED_PROTOCOL,
        f"protocol version {version[:20]!r} is not known here: this worker speaks version {PROTOCOL_VERSION}",
    )


def _fault(headers: Mapping[str, str], fields: Mapping[bytes, bytes]) -> Fault | None:
    complaint = _complaint(headers, fields)
    return Fault(Code.INVALID_INPUT, complaint) if complaint else None


def _complaint(headers: Mapping[str, str], fields: Mapping[bytes, bytes]) -> str | None:
    for name in ("id", "reply_to", "ref", "method"):
        value = headers.get(name, "" if name == "id" else "x")
        if not (is_name(value) or (name == "reply_to" and not value)):
            return f"header {name!r} must be 1 to 128 of the characters A-Z a-z 0-9 . _ -"
    if "ttl" in headers and _milliseconds(headers["ttl"]) is None:
        return "header 'ttl' must be a whole number of milliseconds, at most a year"
    if not _is_count(headers.get("rows", "1")):
        return "header 'rows' must be a whole number"
    if b"body" not in fields:
        return "there is no 'body'"
    return None


def _name_or_blank(text: str) -> str:
    return text if is_name(text) else ""


def _is_count(text: str) -> bool:
    return len(text) <= 9 and text.isascii() and text.isdigit()


def _milliseconds(text: str | None) -> float | None:
    """Seconds of a `ttl` in milliseconds; a negative one has passed already; None if it is not one."""
    if text is None or len(text) > 12:
        return None
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        return None
    seconds = int(text) / 1000
    return seconds if seconds <= _MAX_TTL else None


def result_fields(result: Result) -> list[Field]:
    """The result as alternating names and values; `model` is told by where it is found."""
    return ["id", result.id, *common_result_fields(result), "body", result.body]


def common_result_fields(result: Result) -> list[str]:
    """All but `id` and `body`: many results of a batch have these in common."""
    fields = ["status", result.status.value]
    if result.content_type != _BLANK.content_type:
        fields += ["content_type", result.content_type]
    if result.version:
        fields += ["version", str(result.version), "digest", result.digest]
    if result.route:
        fields += ["route", result.route]
    if result.retry_after:
        fields += ["retry_after", f"{result.retry_after:.3f}"]
    return [*fields, "timings", format_timings(result.timings)]


def format_timings(timings: Timings) -> str:
    """In the form of the Server-Timing header: `queued;dur=1.2, batched;dur=0.1, predicted;dur=0.4` (ms)."""
    queued, batched, predicted = timings
    return f"queued;dur={queued * 1e3:.3f}, batched;dur={batched * 1e3:.3f}, predicted;dur={predicted * 1e3:.3f}"


_MS: Final = r"dur=([0-9]{1,15}\.[0-9]{1,9}|[0-9]{1,15})"
_TIMINGS: Final = re.compile(f"queued;{_MS}, batched;{_MS}, predicted;{_MS}")


def parse_timings(text: str) -> Timings:
    """The inverse of `format_timings`; all 0 for a text of another form."""
    found = _TIMINGS.fullmatch(text)
    if found is None:
        return Timings()
    queued, batched, predicted = found.groups()
    return Timings(float(queued) / 1e3, float(batched) / 1e3, float(predicted) / 1e3)


def plain_names(text: bytes) -> list[str]:
    """The names in bytes, each after a space but the first; none at all if one is no such name. To look at one after
    the other takes three times as long.
    """
    if text.translate(None, _SPACED_NAMES):
        return []
    names = text.decode().split(" ")
    lengths = set(map(len, names))
    return names if min(lengths) > 0 and max(lengths) <= LONGEST_NAME else []


_SPACED_NAMES: Final = b" " + NAME_CHARACTERS


def read_result(model: str, fields: Mapping[bytes, bytes]) -> Result:
    """The result in `fields`, found where those of `model` are.

    Never raises, for one entry that is none must not stop whoever reads the others: an unknown field is ignored,
    what cannot be read counts as left out, and a status that is not known is `internal`.
    """
    (result,) = read_results(model, fields, (_text(fields.get(b"id", b"")),), (fields.get(b"body", b""),))
    return result


def read_results(
    model: str, common: Mapping[bytes, bytes], ids: Sequence[str], bodies: Sequence[bytes]
) -> list[Result]:
    """Results that have all fields but these two in common; as `read_result` otherwise."""
    get = common.get
    status, version = _CODES.get(get(b"status", b""), Code.INTERNAL), _version(get(b"version", b"0"))
    digest, route = _text(get(b"digest", b"")), _text(get(b"route", b""))
    content_type = _text(get(b"content_type", b"application/json"))
    timings, retry_after = parse_timings(_text(get(b"timings", b""))), _seconds(get(b"retry_after", b"0"))
    others = (model, version, digest, route, content_type, timings, retry_after)
    new = tuple.__new__  # what the class does itself, in half the time: this is done for every result
    return [new(Result, (id_, status, body, *others)) for id_, body in zip(ids, bodies, strict=True)]


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _version(value: bytes) -> int:
    return int(value) if len(value) <= 9 and value.isdigit() else 0


def _seconds(value: bytes) -> float:
    return float(value) if _SECONDS(value) else 0.0


_SECONDS: Final = re.compile(rb"[0-9]{1,9}(?:\.[0-9]{1,9})?").fullmatch
_CODES: Final = {code.value.encode(): code for code in Code}
"""A code of a later version than ours is an error all the same."""
