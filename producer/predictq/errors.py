"""What can go wrong between asking and the answer. `except PredictqError` is enough.

PredictqError                code, request_id, model, version, retry_after, and a sentence that says what to do
├── InvalidInput             these rows or this name cannot be asked; also a ValueError
├── UnknownModel             there is no such model, or no such release of it
├── ModelError               the model itself failed on these rows
├── ModelUnavailable         the model exists, but cannot answer now
├── DeadlineExceeded         no answer came in time; also a TimeoutError
├── TooLarge                 more bytes or rows than one request may have: use `map`
├── UnsupportedProtocol      worker and client are of versions that do not understand each other
├── Conflict                 this id was used for another question before
├── Cancelled                withdrawn, or its client was closed
├── DeadLettered             set aside after it brought down several workers
├── Internal                 a fault in predictq itself
├── QueueFull                not accepted: wait `retry_after` seconds and submit again
└── Unavailable              unknown whether accepted: submitting again with the same id is safe; also a ConnectionError
    └── Refused              the broker answered and said no; it will until its configuration or ours changes
"""

from collections.abc import Mapping
from typing import Final

from predictq_broker import Code, Result

__all__ = [
    "Cancelled",
    "Conflict",
    "DeadLettered",
    "DeadlineExceeded",
    "Internal",
    "InvalidInput",
    "ModelError",
    "ModelUnavailable",
    "PredictqError",
    "QueueFull",
    "Refused",
    "TooLarge",
    "Unavailable",
    "UnknownModel",
    "UnsupportedProtocol",
    "error_of",
]


class PredictqError(Exception):
    """Why there is no prediction.

    Attributes:
        code: One of `predictq_broker.Code`, or `queue_full` or `unavailable`; stable, for programs.
        request_id: The request's id; empty if it had none yet.
        model: The model that was asked; empty if that is not known.
        version: The release that failed; 0 if none had been chosen.
        retry_after: Seconds after which asking again may help; 0.0 if it will not.
    """

    code: str = Code.INTERNAL

    def __init__(
        self,
        message: str,
        *,
        request_id: str = "",
        model: str = "",
        version: int = 0,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.request_id = request_id
        self.model = model
        self.version = version
        self.retry_after = retry_after


class InvalidInput(PredictqError, ValueError):
    """These rows, or one of the names beside them, cannot be asked; the sentence says which and why."""

    code = Code.INVALID_INPUT


class UnknownModel(PredictqError):
    """No worker knows this model, or this alias or version of it."""

    code = Code.UNKNOWN_MODEL


class ModelError(PredictqError):
    """The model failed on these rows; others in its batch were not harmed."""

    code = Code.MODEL_ERROR


class ModelUnavailable(PredictqError):
    """The model cannot be run now; `retry_after` says when it may."""

    code = Code.MODEL_UNAVAILABLE


class DeadlineExceeded(PredictqError, TimeoutError):
    """The deadline passed before an answer came."""

    code = Code.DEADLINE_EXCEEDED


class TooLarge(PredictqError):
    """One request may not hold this much."""

    code = Code.TOO_LARGE


class UnsupportedProtocol(PredictqError):
    """The worker does not speak this client's protocol version: upgrade the older of the two."""

    code = Code.UNSUPPORTED_PROTOCOL


class Conflict(PredictqError):
    """The id was accepted before with another question; nothing was stored."""

    code = Code.CONFLICT


class Cancelled(PredictqError):
    """The request was withdrawn before it ran, or its client was closed before the answer came."""

    code = Code.CANCELLED


class DeadLettered(PredictqError):
    """The request was set aside for an operator to look at."""

    code = Code.DEAD_LETTERED


class Internal(PredictqError):
    """A fault in predictq; please report it."""

    code = Code.INTERNAL


class QueueFull(PredictqError):
    """Not accepted, and nothing is stored: wait `retry_after` seconds and submit again."""

    code = "queue_full"


class Unavailable(PredictqError, ConnectionError):
    """The broker did not answer, so it is unknown whether the request was accepted.

    Submitting it again with `id=error.request_id` is safe: it runs once, and the answer is found.
    """

    code = "unavailable"


class Refused(Unavailable):
    """The broker answered and said no (login, rights, read-only …): waiting does not help."""


_CLASSES: Final[Mapping[Code, type[PredictqError]]] = {
    Code.INVALID_INPUT: InvalidInput,
    Code.UNKNOWN_MODEL: UnknownModel,
    Code.MODEL_ERROR: ModelError,
    Code.MODEL_UNAVAILABLE: ModelUnavailable,
    Code.DEADLINE_EXCEEDED: DeadlineExceeded,
    Code.TOO_LARGE: TooLarge,
    Code.UNSUPPORTED_PROTOCOL: UnsupportedProtocol,
    Code.CONFLICT: Conflict,
    Code.CANCELLED: Cancelled,
    Code.DEAD_LETTERED: DeadLettered,
    Code.INTERNAL: Internal,
}


def error_of(result: Result) -> PredictqError:
    """The exception that a result which is not `ok` stands for."""
    return _CLASSES.get(result.status, Internal)(
        result.body.decode(errors="replace") or f"the request ended as {result.status}",
        request_id=result.id,
        model=result.model,
        version=result.version,
        retry_after=result.retry_after,
    )
