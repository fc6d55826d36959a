"""What moves through a worker: a delivery with what happened to it here, and the outcomes it can have."""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Final, NamedTuple

from predictq_broker import TEXT, Code, Delivery, Outcome, Result, Timings
from predictq_registry import CHALLENGER

__all__ = ["ON_TRIAL", "SHADOW", "Work", "by", "failure"]

SHADOW: Final = "shadow"
"""The route of a copy: whatever it ends with is compared, and never settled."""
ON_TRIAL: Final = frozenset({CHALLENGER, SHADOW})
"""The routes to a release that is being rolled out."""


class Work(NamedTuple):
    """A delivery on its way through this worker.

    Attributes:
        delivery: The request, under our lease.
        deaths: How many runners died while they held it, here.
        route: The rollout arm that it fell to; empty if there was no choice.
    """

    delivery: Delivery
    deaths: int = 0
    route: str = ""

    @property
    def alone(self) -> bool:
        """Whether it is under suspicion, and must not share a batch: a runner or a worker died holding it."""
        return self.deaths > 0 or self.delivery.attempt > 1

    @property
    def losses(self) -> int:
        """How many runners and workers it has outlived."""
        return self.deaths + self.delivery.attempt - 1


def by(key: Callable[[Work], tuple[str, str]], works: list[Work]) -> dict[tuple[str, str], list[Work]]:
    """Work by what `key` says of it, in order. As a rule it says the same of all."""
    keys = list(map(key, works))
    if len(set(keys)) == 1:
        return {keys[0]: works}
    groups = defaultdict[tuple[str, str], list[Work]](list)
    for each, work in zip(keys, works, strict=True):
        groups[each].append(work)
    return groups


def failure(  # noqa: PLR0913  what an answer consists of, by name
    delivery: Delivery, code: Code, message: str, *, version: int = 0, digest: str = "", route: str = ""
) -> Outcome:
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
            route=route,
            content_type=TEXT,
            timings=timings,
            retry_after=1.0 if code is Code.MODEL_UNAVAILABLE else 0.0,
        ),
    )
