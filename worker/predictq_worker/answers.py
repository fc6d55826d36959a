"""What a release answers: outcomes of its batches, which name its version and digest."""

import math
import time
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import NamedTuple

from predictq_broker import Code, Delivery, Outcome, Result, Timings
from predictq_broker.columns import made
from predictq_registry import Manifest
from predictq_worker.batcher import Batch
from predictq_worker.inference import response_content_type
from predictq_worker.runner import Predicted
from predictq_worker.work import Work, failure

__all__ = ["Answers"]


class Answers(NamedTuple):
    """Those of one release; its digest is told apart, since to ask a manifest takes its time."""

    manifest: Manifest
    digest: str

    def of(self, batch: Batch, predicted: Predicted, started: float) -> list[Outcome]:
        """Column by column: all but id, outputs and route is said once, and is the same in most."""
        works, manifest, content_type = batch.works, self.manifest, response_content_type(batch.content_type)
        common = map(repeat, (manifest.model, manifest.version, self.digest))
        deliveries, _, routes = zip(*works, strict=True)
        ids = [delivery.request.id for delivery in deliveries]
        timings = _timings(deliveries, started, predicted.seconds)
        results = made(
            Result, ids, repeat(Code.OK), predicted.outputs, *common, routes, repeat(content_type), timings, repeat(0.0)
        )
        outcomes = list(made(Outcome, deliveries, results))
        for place, failed in predicted.failed.items():
            outcomes[place] = self.failure(works[place], *failed)
        return outcomes

    def too_late(self, work: Work) -> Outcome:
        """The answer to one that had expired."""
        late = time.monotonic() - work.delivery.expires
        sentence = f"its deadline passed {late:.3f} s before it could run; allow more time or add workers"
        return self.failure(work, Code.DEADLINE_EXCEEDED, sentence)

    def failure(self, work: Work, code: Code, message: str) -> Outcome:
        """The answer to one with an error."""
        version, digest = self.manifest.version, self.digest
        return failure(work.delivery, code, message, version=version, digest=digest, route=work.route)


def _timings(deliveries: Iterable[Delivery], started: float, seconds: float) -> Iterator[Timings]:
    """Of each; those that were received together have the same object."""
    queued, received, timings = math.nan, math.nan, Timings()
    for delivery in deliveries:
        if delivery.queued != queued or delivery.received != received:
            queued, received = delivery.queued, delivery.received
            timings = Timings(queued, started - received, seconds)
        yield timings
