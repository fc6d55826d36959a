"""The sentences a caller reads when its request came to nothing: what happened, and what to do."""

from predictq.call import Call
from predictq.errors import (
    Cancelled,
    Conflict,
    DeadlineExceeded,
    PredictqError,
    QueueFull,
    Unavailable,
)

__all__ = ["closed", "conflict", "denied", "late", "no_room", "queue_full", "results_full", "unavailable"]


def _about(kind: type[PredictqError], call: Call, sentence: str, retry_after: float = 0.0) -> PredictqError:
    return kind(sentence, request_id=call.id, model=call.form.model, retry_after=retry_after)


def conflict(call: Call) -> PredictqError:
    """The id is taken."""
    return _about(
        Conflict,
        call,
        f"id {call.id!r} was used for another question before: give this one an id of its own",
    )


def queue_full(call: Call) -> PredictqError:
    """The model's queue has no room."""
    return _about(
        QueueFull,
        call,
        f"the queue of {call.form.model!r} is full: wait retry_after seconds and submit again, or add workers",
        retry_after=0.5,
    )


def results_full(call: Call) -> PredictqError:
    """The reply-to has no room."""
    return _about(
        QueueFull,
        call,
        f"{call.form.reply_to!r} holds as many unread results as it may: read results, then submit again",
        retry_after=1.0,
    )


def no_room(call: Call) -> PredictqError:
    """This process's own waiting line stayed full."""
    return _about(
        QueueFull,
        call,
        "too many requests of this process wait for the broker: it is slow or cannot be reached; submit again later",
        retry_after=1.0,
    )


def denied(call: Call, kind: type[PredictqError], reason: str, retry_after: float) -> PredictqError:
    """The broker said no to the whole call."""
    return _about(kind, call, reason, retry_after)


def unavailable(call: Call) -> PredictqError:
    """The broker could not be reached for as long as we try."""
    return _about(
        Unavailable,
        call,
        f"the broker cannot be reached ({call.trouble or 'no answer yet'}), so it is unknown whether the request "
        f"was accepted: submit again with id={call.id!r}, which is safe",
        retry_after=1.0,
    )


def late(call: Call) -> PredictqError:
    """The deadline passed."""
    if call.wants_verdict and not call.is_accepted:
        return unavailable(call)
    form = call.form
    unreached = call.trouble and not call.is_accepted
    why = f"the broker cannot be reached: {call.trouble}" if unreached else "is a worker running for it?"
    return _about(
        DeadlineExceeded,
        call,
        f"no answer from {form.model!r} within {form.ttl or 0:g} s ({why}): ask again, or allow more time",
    )


def closed(call: Call) -> PredictqError:
    """The client is gone."""
    return _about(Cancelled, call, "the client was closed before the answer came")
