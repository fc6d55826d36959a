"""What a worker tells Prometheus. Label values come from the registry, never from a request."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from predictq_broker import BrokerError, Code, Outcome, QueueStats
from predictq_registry import Manifest
from predictq_worker.histogram import ROWS, SECONDS, BatchHistogram

__all__ = ["Gauges", "Metrics"]


class Metrics:
    """Everything counted and timed in one worker."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._counter(
            "predictq_requests", "Requests that reached their end here, by outcome.", "model", "version", "outcome"
        )
        self._dead = self._counter("predictq_dead_lettered_requests", "Requests set aside here.", "model")
        self._loads = self._counter("predictq_loads", "Releases loaded, by outcome.", "model", "outcome")
        self._swaps = self._counter("predictq_swaps", "Times an alias came to be served by another release.", "model")
        self._evictions = self._counter("predictq_evictions", "Releases unloaded for want of memory.", "model")
        self._restarts = self._counter("predictq_runner_restarts", "Runners that died and were replaced.", "model")
        self._lost = self._counter("predictq_leases_lost", "Deliveries that others took over from us.")
        self._wait = self._histogram(
            "predictq_queue_wait_seconds", "From acceptance to receipt, by the broker's clock.", SECONDS, "model"
        )
        self._total = self._histogram("predictq_request_seconds", "From acceptance to settling.", SECONDS, "model")
        self._predict = self._histogram(
            "predictq_predict_seconds",
            "One batch in the model, checks and encoding included.",
            SECONDS,
            "model",
            "version",
        )
        self._load = self._histogram(
            "predictq_load_seconds", "From its turn to load until a release serves: room, bytes, checks.", SECONDS
        )
        self._rows = self._histogram("predictq_batch_rows", "Rows in one batch.", ROWS, "model", "version")

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(name, documentation, labels, registry=self.registry)

    def _histogram(self, name: str, documentation: str, bounds: Sequence[float], *labels: str) -> BatchHistogram:
        histogram = BatchHistogram(name, documentation, labels, bounds)
        self.registry.register(histogram)
        return histogram

    def settled(self, outcomes: Sequence[Outcome], lost: int) -> None:
        """These reached their end; `lost` more belong to others by now."""
        if lost:
            self._lost.inc(lost)
        now = time.monotonic()
        for (asked, version, status), alike in groupby(outcomes, key=_end):  # as a rule a whole batch
            model = "" if status is Code.UNKNOWN_MODEL else asked  # anybody can ask for what does not exist
            deliveries = [outcome.delivery for outcome in alike]
            self._requests.labels(model, str(version or ""), status.value).inc(len(deliveries))
            if status is Code.DEAD_LETTERED:
                self._dead.labels(model).inc(len(deliveries))
            moments = [(*moment, len(list(together))) for moment, together in groupby(deliveries, key=_moment)]
            self._wait.observe((model,), [(queued, count) for queued, _, count in moments])
            self._total.observe((model,), [(queued + now - received, count) for queued, received, count in moments])

    def predicted(self, manifest: Manifest, rows: int, seconds: float) -> None:
        """One batch of `rows` rows took `seconds`."""
        labels = (manifest.model, str(manifest.version))
        self._rows.observe(labels, ((rows, 1),))
        self._predict.observe(labels, ((seconds, 1),))

    def loaded(self, model: str, outcome: str, seconds: float = 0.0) -> None:
        """A release was loaded (`ok`) in so many `seconds`, or not (`failed`)."""
        self._loads.labels(model, outcome).inc()
        if outcome == "ok":
            self._load.observe((), ((seconds, 1),))

    def swapped(self, model: str) -> None:
        """An alias of `model` is served by another release now."""
        self._swaps.labels(model).inc()

    def evicted(self, model: str) -> None:
        """A release of `model` was unloaded for want of memory."""
        self._evictions.labels(model).inc()

    def restarted(self, model: str) -> None:
        """A runner of `model` died and is replaced."""
        self._restarts.labels(model).inc()

    def leases_lost(self, count: int) -> None:
        """Others own so many of our deliveries by now."""
        self._lost.inc(count)

    def page(self) -> bytes:
        """The text a scrape gets."""
        return generate_latest(self.registry)


_end: Final = attrgetter("delivery.request.model", "result.version", "result.status")
_moment: Final = attrgetter("queued", "received")


class Gauges(Collector):
    """What is asked for at each scrape: the queues' figures and the models in memory."""

    def __init__(
        self,
        models: Callable[[], Iterable[str]],
        resident: Callable[[], dict[str, int]],
        stats: Callable[[str], QueueStats],
    ) -> None:
        self._models = models
        self._resident = resident
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        """As prometheus_client asks for it."""
        resident = self._resident()
        told = "Memory of a model's runners, and its files."
        memory = GaugeMetricFamily("predictq_resident_memory_bytes", told, labels=["model"])
        for model, size in resident.items():
            memory.add_metric([model], size)
        yield GaugeMetricFamily("predictq_resident_models", "Models in memory.", value=len(resident))
        yield memory
        yield from self._queues(sorted({*self._models(), *resident}))

    def _queues(self, models: Sequence[str]) -> list[Metric]:
        queued = GaugeMetricFamily("predictq_queued_requests", "Requests that wait.", labels=["model"])
        in_flight = GaugeMetricFamily("predictq_in_flight_requests", "Requests held by any worker.", labels=["model"])
        oldest = GaugeMetricFamily(
            "predictq_oldest_request_age_seconds", "Age of the oldest unsettled request.", labels=["model"]
        )
        dead = GaugeMetricFamily("predictq_dead_letters", "Requests in the dead-letter queue.", labels=["model"])
        for model in models:
            try:
                stats = self._stats(model)
            except BrokerError:
                break  # what the broker does not tell is left out, not guessed
            queued.add_metric([model], stats.queued)
            if stats.in_flight is not None:
                in_flight.add_metric([model], stats.in_flight)
            if stats.oldest is not None:
                oldest.add_metric([model], stats.oldest)
            dead.add_metric([model], stats.dead)
        return [queued, in_flight, oldest, dead]
