"""From rows to messages and back."""

import json
from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any, Final

from predictq_broker.columns import made
from predictq_broker.messages import JSON, Code, Fault, Priority, Request, Result, Timings
from predictq_broker.names import is_name
from predictq_broker.sqlite.packing import cut, pack_sizes
from predictq_broker.wire import MAX_HEADER_BYTES, read_request, request_fields

__all__ = [
    "Row",
    "common_of",
    "is_plain",
    "is_sound",
    "plain_row",
    "request_in",
    "request_row",
    "result_row",
    "results_in",
]

Row = tuple[Any, ...]
"""What SQLite gives; the order of the columns is that of the statement that asked."""

_CODES: Final[Mapping[str, Code]] = {code.value: code for code in Code}
_SAFE_CHARACTERS: Final = MAX_HEADER_BYTES // 4  # no character takes more than four bytes of UTF-8
_SAFE_ROWS: Final = 999_999_999
_SAFE_TTL: Final = 366 * 86400.0


def is_sound(request: Request) -> bool:
    """Whether every header would pass `read_request`; if in doubt, no. The id and reply-to are names already."""
    return (
        (request.ref == "production" or is_name(request.ref))
        and (request.method == "predict" or is_name(request.method))
        and 0 <= request.rows <= _SAFE_ROWS
        and (request.ttl is None or -_SAFE_TTL <= request.ttl <= _SAFE_TTL)
        and len(request.content_type) + len(request.key) + len(request.traceparent) <= _SAFE_CHARACTERS
    )


def is_plain(request: Request) -> bool:
    """Whether all optional headers have their defaults, and the ttl is sound."""
    _, _, _, ref, _, method, content_type, rows, ttl, _, key, traceparent = request
    return (
        rows == 1
        and content_type == JSON
        and ref == "production"
        and method == "predict"
        and not key
        and not traceparent
        and (ttl is None or -_SAFE_TTL <= ttl <= _SAFE_TTL)
    )


def plain_row(slot: int, now: int, request: Request) -> Row:
    """The parameters of `store_plain_request`."""
    return (slot, now, request[2], request[4], request[8], request[1])


def request_row(slot: int, now: int, request: Request) -> Row:
    """The parameters of `store_request`."""
    _, body, request_id, ref, reply_to, method, content_type, rows, ttl, _, key, traceparent = request
    if is_sound(request):
        headers = (ref, method, content_type, rows, key, traceparent)
        return (slot, now, None, request_id, reply_to, ttl, *headers, body)
    return (slot, now, _raw(request), request_id, reply_to, None, None, None, None, None, None, None, body)


def _raw(request: Request) -> bytes:
    """The headers as they came, for the receiver to judge."""
    fields = request_fields(request)
    headers = dict(zip(fields[::2], fields[1::2], strict=True))
    del headers["body"]
    return json.dumps(headers).encode()


def request_in(row: Row, model: str, priority: Priority) -> tuple[Request, Fault | None]:
    """The request in `raw, body, id, reply_to, ttl, ref, method, content_type, rows, key, traceparent`."""
    raw, body, request_id, reply_to, ttl, ref, method, content_type, rows, key, traceparent = row
    if raw is not None:
        return read_request(model, priority, _fields(raw, body))
    if ref is None:
        headers = (model, body, request_id, "production", reply_to, "predict", JSON, 1, ttl, priority, "", "")
    else:
        headers = (
            *(model, body, request_id, ref, reply_to, method),
            *(content_type, rows, ttl, priority, key, traceparent),
        )
    return Request._make(headers), None


def _fields(raw: bytes, body: bytes | None) -> dict[bytes, bytes]:
    """Headers that a foreign program stored, as they would come over a wire; what is no JSON has no headers."""
    try:
        headers = json.loads(raw)
    except ValueError:
        headers = {}
    fields = {
        str(name).encode(errors="replace"): str(value).encode(errors="surrogatepass")
        for name, value in headers.items()
        if value is not None
    }
    return fields if body is None else {**fields, b"body": body}


def common_of(result: Result) -> Row:
    """What the results of one batch have in common, as `store_result` takes it first."""
    return (*result[3:8], result.retry_after)


def result_row(slot: int, results: Sequence[Result]) -> Row:
    """What `store_result` takes for each row, which has one result or several that are alike."""
    first = results[0]
    if len(results) == 1:
        return (slot, first[0], first[1], *first[8], None, first[2])
    bodies = [result[2] for result in results]
    ids = " ".join([result[0] for result in results])
    return (slot, ids, first[1], *first[8], pack_sizes(bodies), b"".join(bodies))


def results_in(row: Row) -> list[Result]:
    """Those in `id, status, body, model, version, digest, route, content_type, queued … retry_after, sizes`."""
    ids, status, body, *common, queued, batched, predicted, retry_after, sizes = row
    code = _CODES.get(status, Code.INTERNAL)
    rest = (*common, Timings(queued, batched, predicted), retry_after)
    if sizes is None:
        return [Result._make((ids, code, body, *rest))]
    return list(made(Result, ids.split(" "), repeat(code), cut(body, sizes), *map(repeat, rest)))
