"""What moves through a worker: a delivery with what happened to it here, and the outcomes it can have."""

import time
from typing import NamedTuple

from predictq_broker import TEXT, Code, Delivery, Outcome, Result, Timings

__all__ = ["Work", "failure"]


class Work(NamedTuple):
    """A delivery on its way through this worker.

    Attributes:
        delivery: The request, under our lease.
        deaths: How many runners died while they held it, here.
    """

    delivery: Delivery
    deaths: int = 0

    @property
    def alone(self) -> bool:
        """Whether it is under suspicion, and must not share a batch: a runner or a worker died holding it."""
        return self.deaths > 0 or self.delivery.attempt > 1

    @property
    def losses(self) -> int:
        """How many runners and workers it has outlived."""
        return self.deaths + self.delivery.attempt - 1


def failure(delivery: Delivery, code: Code, message: str, *, version: int = 0, digest: str = "") -> Outcome:
    """The outcome that answers with an error: `message` says what is wrong and what to do."""
    request = delivery.request
    timings = Timings(queued=delivery.queued, batched=time.monotonic() - delivery.received)
    body = message.encode(errors="replace")
    return Outcome(
        delivery,
        Result(
            id=request.id,
            status=code,
            body=body,
            model=request.model,
            version=version,
            digest=digest,
            content_type=TEXT,
            timings=timings,
            retry_after=1.0 if code is Code.MODEL_UNAVAILABLE else 0.0,
        ),
    )
