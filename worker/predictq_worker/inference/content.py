"""From a request's body to rows: which decoder a content type means, and what an answer is encoded as."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from predictq_broker.messages import ARROW, JSON, NPY
from predictq_worker.inference.answers import Limits
from predictq_worker.inference.arrow_body import decode_arrow
from predictq_worker.inference.errors import BadBody, one_line
from predictq_worker.inference.json_body import decode_json
from predictq_worker.inference.npy_body import decode_npy

__all__ = ["Decoder", "decode", "decoder", "response_content_type"]

Decoder = Callable[[bytes, Limits], Any]
"""From a body to rows; raises `BadBody`."""

_DECODERS: Final[Mapping[str, Decoder]] = {JSON: decode_json, NPY: decode_npy, ARROW: decode_arrow}


def decode(content_type: str, body: bytes, limits: Limits) -> Any:  # noqa: ANN401  rows have the form their format gives
    """The rows in `body`: a list for JSON, an array for NPY, a dict of columns for Arrow.

    Raises:
        BadBody: if there are none to be had: `too_large`, or `invalid_input` with what is wrong.
    """
    return decoder(content_type)(body, limits)


def decoder(content_type: str) -> Decoder:
    """The decoder for `content_type`, parameters such as `charset` aside.

    Raises:
        BadBody: if there is none.
    """
    found = _DECODERS.get(content_type) or _DECODERS.get(_plain(content_type))
    if found is None:
        accepted = ", ".join(_DECODERS)
        raise BadBody(f"content type {one_line(content_type[:60])!r} is not accepted here: send {accepted}")
    return found


def response_content_type(content_type: str) -> str:
    """How the answers to requests of `content_type` are encoded: NPY for NPY, JSON for all else."""
    return NPY if _plain(content_type) == NPY else JSON


def _plain(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
