"""One runner of a release and the thread that feeds it: takes a batch, has it predicted, hands on outcomes."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import NamedTuple

from predictq_broker import Code, Delivery, Outcome, Result, Timings
from predictq_broker.columns import made
from predictq_broker.failpoints import reached
from predictq_registry import Manifest
from predictq_worker.batcher import Batch, Batcher
from predictq_worker.inference import response_content_type
from predictq_worker.runner import Predicted, ReleaseRefused, Runner, RunnerDied, RunnerGone, give_way
from predictq_worker.work import ON_TRIAL, Work, failure

__all__ = ["Replica"]

_logger = logging.getLogger(__name__)
_LOOK = 0.25
"""Seconds between two looks at an idle runner."""
_LOOK_SHARED = 5.0
"""The same where there may be thousands, all of which are loaded anew if their process ends."""

StartRunner = Callable[[], Runner]
Settle = Callable[[list[Outcome]], None]
Observe = Callable[[Manifest, int, float], None]


class _Ran(NamedTuple):
    """A batch that was predicted: how long that took, and how long it took the runner."""

    works: list[Work]
    seconds: float
    predicting: float


class Replica:
    """Runs batches of one release until its batcher is closed and empty. A runner that dies is replaced."""

    def __init__(  # noqa: PLR0913  everything a replica needs is told here, in one visible place
        self,
        manifest: Manifest,
        runner: Runner,
        *,
        start_runner: StartRunner,
        batcher: Batcher,
        settle: Settle,
        observe: Observe,
        restarted: Callable[[str], None],
        max_losses: int,
        predict_timeout: float,
    ) -> None:
        self._manifest = manifest
        self._digest = manifest.digest  # which asks pydantic, and takes its time
        self._runner: Runner | None = runner
        self._start_runner = start_runner
        self._batcher = batcher
        self._settle = settle
        self._observe = observe
        self._restarted = restarted
        self._max_losses = max_losses
        self._timeout = predict_timeout
        self._killed = threading.Event()
        self._ran: list[_Ran] = []
        self.busy = False
        """Whether a batch runs."""
        self._thread = threading.Thread(
            target=self._run, name=f"replica-{manifest.model}-{manifest.version}", daemon=True
        )

    def start(self) -> None:
        """Begin to take batches."""
        self._thread.start()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the last batch is done and the runner is gone."""
        self._thread.join(timeout)

    @property
    def alive(self) -> bool:
        """Whether there is a runner that can answer."""
        runner = self._runner
        return self._thread.is_alive() and runner is not None and runner.alive

    def memory(self) -> int:
        """Bytes the runner shares with nobody."""
        runner = self._runner
        return runner.memory() if runner is not None and runner.alive else 0

    def give_way(self) -> None:
        """Let the runner use only such time of the processors as nobody else wants; it can never be taken back.

        One that shares its process goes on as the others there do.
        """
        runner = self._runner
        if runner is not None and runner.alive and not runner.shared:
            give_way(runner.pid)

    def kill(self) -> None:
        """End the runner now; whoever it was working for is not answered by it, and not suspected either."""
        self._killed.set()
        runner = self._runner
        if runner is not None:
            runner.close(grace=0.0)

    def _run(self) -> None:
        try:
            while (batch := self._batcher.take(self._look())) is not None:
                self.busy = bool(batch.works)
                self._replace_if_dead()
                if outcomes := self._answer(batch):
                    self._settle(outcomes)
                self._count()
                self.busy = False
        finally:
            if self._runner is not None:
                self._runner.close(grace=1.0)

    def _look(self) -> float:
        runner = self._runner
        return _LOOK_SHARED if runner is not None and runner.shared else _LOOK

    def _answer(self, batch: Batch) -> list[Outcome]:
        """One outcome for each request of the batch, whatever happens; a deadly one may come again, alone."""
        try:
            late = [self._too_late(work) for work in batch.expired]
            return late + self._predict(batch) if batch.works else late
        except Exception:  # a defect of ours: it must not leave these requests without an end
            _logger.exception("a batch went wrong", extra={"model": self._manifest.model, "held": len(batch.works)})
            sentence = "the worker failed at this request; its log says why"
            works = [*batch.works, *batch.expired]
            return [self._failure(work, Code.INTERNAL, sentence) for work in works]

    def _replace_if_dead(self) -> None:
        """A runner that died while it was idle is replaced before anybody misses it, and nobody is suspected."""
        if self._killed.is_set() or (self._runner is not None and self._runner.alive):
            return
        if self._runner is not None:
            self._mourn("it died while it was idle", held=0)
        try:
            self._living_runner()
        except (RunnerDied, ReleaseRefused) as trouble:
            about = {"model": self._manifest.model, "version": self._manifest.version, "why": str(trouble)}
            _logger.warning("cannot start a runner yet", extra=about)

    def _too_late(self, work: Work) -> Outcome:
        late = time.monotonic() - work.delivery.expires
        sentence = f"its deadline passed {late:.3f} s before it could run; allow more time or add workers"
        return self._failure(work, Code.DEADLINE_EXCEEDED, sentence)

    def _failure(self, work: Work, code: Code, message: str) -> Outcome:
        version, digest = self._manifest.version, self._digest
        return failure(work.delivery, code, message, version=version, digest=digest, route=work.route)

    def _predict(self, batch: Batch) -> list[Outcome]:
        if self._killed.is_set():
            return []
        started = time.monotonic()
        bodies = [work.delivery.request.body for work in batch.works]
        try:
            runner = self._living_runner()
        except (RunnerDied, ReleaseRefused) as trouble:
            sentence = f"the release no longer starts: {trouble}; ask again, or roll it back"
            return [self._failure(work, Code.MODEL_UNAVAILABLE, sentence) for work in batch.works]
        reached("before_predict")
        handed = time.monotonic()
        try:
            predicted = runner.predict(batch.method, batch.content_type, bodies, self._timeout)
        except RunnerGone as end:
            return self._anew(batch, str(end))
        except RunnerDied as death:
            return [] if self._killed.is_set() else self._after_death(batch.works, str(death))
        reached("after_predict")
        self._ran.append(_Ran(batch.works, time.monotonic() - handed, predicted.seconds))
        if runner.outstayed:
            self._move_out()
        return self._outcomes(batch, predicted, started)

    def _count(self) -> None:
        """Learn from what ran, and have it observed: after it was answered, for nobody waits for this."""
        ran, self._ran = self._ran, []
        try:
            for works, seconds, predicting in ran:
                rows = sum([work.delivery.request.rows for work in works])
                self._batcher.sizing.observe(rows, seconds)
                self._observe(self._manifest, rows, predicting)
        except Exception:  # a defect of ours: what comes next is answered all the same
            _logger.exception("a batch could not be counted", extra={"model": self._manifest.model})

    def _anew(self, batch: Batch, why: str) -> list[Outcome]:
        """Its process ended before it came to this batch, for whatever another release there did."""
        if self._killed.is_set():
            return []
        self._mourn(f"the process that it shared ended: {why}", held=0)
        return self._predict(batch)

    def _move_out(self) -> None:
        """The next runner has a process of its own."""
        about = {"model": self._manifest.model, "version": self._manifest.version}
        _logger.info("a release gets a process of its own", extra={**about, "why": "it kept others waiting"})
        if self._runner is not None:
            self._runner.close()
            self._runner = None

    def _living_runner(self) -> Runner:
        """The runner, or a new one."""
        self._runner = self._runner or self._start_runner()
        return self._runner

    def _mourn(self, why: str, held: int) -> None:
        about = {"model": self._manifest.model, "version": self._manifest.version, "why": why, "held": held}
        _logger.warning("a runner died", extra=about)
        self._restarted(self._manifest.model)
        if self._runner is not None:
            self._runner.close(grace=0.0)
            self._runner = None

    def _after_death(self, works: list[Work], why: str) -> list[Outcome]:
        """Try those it held again, each alone; set aside who has cost too many runners."""
        self._mourn(why, held=len(works))
        suspects = [work._replace(deaths=work.deaths + 1) for work in works]
        again = [work for work in suspects if work.losses < self._may_lose(work)]
        dead = [work for work in suspects if work.losses >= self._may_lose(work)]
        if not self._batcher.put(again):
            return [outcome for work in again for outcome in self._predict(_single(work))] + self._buried(dead, why)
        return self._buried(dead, why)

    def _may_lose(self, work: Work) -> int:
        """A release on trial gets one try; whoever chose it knows another one that answers."""
        return 1 if work.route in ON_TRIAL else self._max_losses

    def _buried(self, works: list[Work], why: str) -> list[Outcome]:
        sentence = f"set aside after it lost its runner or worker {self._max_losses} times, the last time: {why}"
        return [self._failure(work, Code.DEAD_LETTERED, sentence) for work in works]

    def _outcomes(self, batch: Batch, predicted: Predicted, started: float) -> list[Outcome]:
        """Column by column: all but id, outputs and route is said once, and is the same in most."""
        works, manifest, content_type = batch.works, self._manifest, response_content_type(batch.content_type)
        common = map(repeat, (manifest.model, manifest.version, self._digest))
        deliveries, _, routes = zip(*works, strict=True)
        ids = [delivery.request.id for delivery in deliveries]
        timings = _timings(deliveries, started, predicted.seconds)
        results = made(
            Result, ids, repeat(Code.OK), predicted.outputs, *common, routes, repeat(content_type), timings, repeat(0.0)
        )
        outcomes = list(made(Outcome, deliveries, results))
        for place, failed in predicted.failed.items():
            outcomes[place] = self._failure(works[place], *failed)
        return outcomes


def _timings(deliveries: Iterable[Delivery], started: float, seconds: float) -> Iterator[Timings]:
    """Of each; those that were received together have the same object."""
    queued, received, timings = math.nan, math.nan, Timings()
    for delivery in deliveries:
        if delivery.queued != queued or delivery.received != received:
            queued, received = delivery.queued, delivery.received
            timings = Timings(queued, started - received, seconds)
        yield timings


def _single(work: Work) -> Batch:
    request = work.delivery.request
    return Batch(request.method, request.content_type, [work], [])
