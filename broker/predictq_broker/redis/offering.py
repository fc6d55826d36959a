"""Requests as `send.lua` wants them: in runs that have all in common but the end of the id and the question."""

import hashlib
from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any, Final

from predictq_broker.messages import Request
from predictq_broker.redis.keys import PRIORITIES
from predictq_broker.wire import common_request_fields

__all__ = ["fingerprint", "send_words"]

_MOST: Final = 1000
"""Requests of one run: the script hands a run to Redis at once, and Lua's stack holds some thousands."""
_TAIL: Final = 3
"""Characters of an id that tell it from others with the same head; see `_library.lua`."""
_STREAM: Final = {priority: number for number, priority in enumerate(PRIORITIES, 1)}


def send_words(requests: Sequence[Request]) -> list[Any]:
    """The arguments for these requests, in their order."""
    words: list[Any] = []
    run: list[Request] = []
    before: Hashable = None
    for request in requests:
        common = (request.id[:-_TAIL], request[3:])
        if common != before or len(run) == _MOST:
            words += _run_words(run)
            before, run = common, []
        run.append(request)
    return words + _run_words(run)


def _run_words(run: Sequence[Request]) -> list[Any]:
    if not run:
        return []
    first, common = run[0], common_request_fields(run[0])
    words: list[Any] = [_STREAM[first.priority], first.reply_to, first.id[:-_TAIL], len(run), len(common), *common]
    words += [request.id[-_TAIL:] for request in run]
    words += map(fingerprint, run)
    words += [request.body for request in run]
    return words


def fingerprint(request: Request) -> str:
    """What must be equal for a repeated id to be the same request: all that decides its answer."""
    digest = hashlib.sha1(request.body, usedforsecurity=False)
    digest.update(_told(request.ref, request.method, request.content_type))
    return digest.hexdigest()[:18]


@lru_cache(maxsize=256)
def _told(ref: str, method: str, content_type: str) -> bytes:
    return f"\0{ref}\0{method}\0{content_type}".encode()
