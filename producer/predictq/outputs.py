"""From the body of a result to the values a caller works with."""

from typing import NoReturn

import orjson

from predictq import arrays
from predictq.errors import Internal
from predictq.values import Outputs
from predictq_broker import ARROW, JSON, NPY, Result

__all__ = ["decode"]


def decode(result: Result) -> Outputs:
    """The outputs of an `ok` result: lists and dicts, a NumPy array, or an Arrow table, as its body says.

    Raises:
        Internal: if the body is not what its content type says, or of a kind this client does not know.
    """
    try:
        match result.content_type:
            case content if content == JSON:
                return orjson.loads(result.body)
            case content if content == NPY:
                return arrays.decode(result.body)
            case content if content == ARROW:
                return _table(result.body)
            case _:
                _refuse(result.content_type)
    except Exception as error:  # a damaged body may make its reader raise anything
        raise Internal(
            f"the outputs cannot be read: {error}",
            request_id=result.id,
            model=result.model,
            version=result.version,
        ) from error


def _table(body: bytes) -> Outputs:
    import pyarrow as pa

    return pa.ipc.open_stream(body).read_all()


def _refuse(content_type: str) -> NoReturn:
    raise ValueError(f"content type {content_type!r} is not known to this client: upgrade it")
