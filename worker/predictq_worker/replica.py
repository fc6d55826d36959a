"""One runner of a release: has its batches predicted, and hands on outcomes."""

import logging
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from predictq_broker import Code, Outcome
from predictq_broker.failpoints import reached
from predictq_registry import Manifest
from predictq_worker.answers import Answers
from predictq_worker.batcher import Batch, Batcher
from predictq_worker.feeder import Feeder
from predictq_worker.feeding import Turn
from predictq_worker.runner import Predicted, ReleaseRefused, Runner, RunnerDied, RunnerGone
from predictq_worker.supervisor import StartRunner, Supervisor
from predictq_worker.work import ON_TRIAL, Work

__all__ = ["Replica"]

_logger = logging.getLogger(__name__)
_LOOK = 0.25
"""Seconds between two looks at an idle runner."""

_LOOK_SHARED = 5.0
"""The same where there may be thousands, all of which are loaded anew if their process ends."""

Settle = Callable[[list[Outcome]], None]
Observe = Callable[[Manifest, int, float], None]
_NO_BATCH = Batch("", "", [], [])


class _Ran(NamedTuple):
    """A batch that was predicted: how long that took, and how long it took the runner."""

    works: list[Work]
    seconds: float
    predicting: float


class Replica:
    """Runs batches of one release until its batcher is closed and empty. A runner that dies is replaced.

    It has a thread of its own; but while its runner shares a process, the feeder of that process takes its batches.
    """

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
        feeder: Feeder | None = None,
    ) -> None:
        self._manifest = manifest
        self._answers = Answers(manifest, manifest.digest)
        self._supervisor = Supervisor(manifest, runner, start_runner, restarted)
        self.batcher = batcher
        self._feeder = None if batcher.lets_fill else feeder  # it does not wait
        self._settle = settle
        self._observe = observe
        self._max_losses = max_losses
        self._timeout = predict_timeout
        self._ran: list[_Ran] = []
        self.busy = False
        """Whether a batch runs."""
        self._ended = threading.Event()

    def start(self) -> None:
        """Begin to take batches."""
        if not self._joined():
            self._run_alone(_NO_BATCH)

    def join(self, timeout: float | None = None) -> None:
        """Wait until the last batch is done and the runner is gone."""
        self._ended.wait(timeout)

    @property
    def alive(self) -> bool:
        """Whether there is a runner that can answer."""
        return not self._ended.is_set() and self._supervisor.alive

    @property
    def may_join(self) -> bool:
        """As `Fed.may_join`."""
        return self._supervisor.may_join

    def memory(self) -> int:
        """Bytes the runner shares with nobody."""
        return self._supervisor.memory()

    def give_way(self) -> None:
        """As `Supervisor.give_way`."""
        self._supervisor.give_way()

    def kill(self) -> None:
        """As `Supervisor.kill`."""
        self._supervisor.kill()

    # ── alone, in a thread of its own ──

    def _run_alone(self, batch: Batch, death: RunnerDied | None = None) -> None:
        name = f"replica-{self._manifest.model}-{self._manifest.version}"
        threading.Thread(target=self._run, args=(batch, death), name=name, daemon=True).start()

    def _run(self, first: Batch, death: RunnerDied | None) -> None:
        joined = False
        try:
            batch: Batch | None = first
            while batch is not None:
                self._serve(batch, death)
                death = None
                if joined := self._joined():
                    return
                batch = self.batcher.take(self._look())
        finally:
            if not joined:
                self.end()

    def _look(self) -> float:
        return _LOOK_SHARED if self._supervisor.shared else _LOOK

    def _joined(self) -> bool:
        """Whether a feeder has taken it on; then nothing here is ours any more."""
        if self._feeder is None or not self.may_join:
            return False
        self._feeder.take_on(self)
        return True

    def _serve(self, batch: Batch, death: RunnerDied | None) -> None:
        self.busy = bool(batch.works)
        if death is None:
            self._supervisor.replace_if_dead()
        if outcomes := self._answer(batch, death):
            self._settle(outcomes)
        self._count()
        self.busy = False

    def _answer(self, batch: Batch, death: RunnerDied | None) -> list[Outcome]:
        """One outcome for each request of the batch, whatever happens; a deadly one may come again, alone."""
        try:
            late = [self._answers.too_late(work) for work in batch.expired]
            if not batch.works:
                return late
            return late + (self._predict(batch) if death is None else self._after(batch, death))
        except Exception as error:  # noqa: BLE001  a defect of ours: it must not leave these requests without an end
            return self.defect(batch, error)

    # ── fed, together with others ──

    def begin(self, batch: Batch) -> Turn | None:
        """As `Fed.begin`."""
        runner = self._supervisor.runner
        if runner is None:
            return None
        self.busy = bool(batch.works)
        bodies = [work.delivery.request.body for work in batch.works]
        question = runner.question(batch.method, batch.content_type, bodies, self._timeout)
        late = [self._answers.too_late(work) for work in batch.expired]
        return Turn(self, runner, question, batch._replace(expired=[]), late, time.monotonic())

    def finish(self, turn: Turn, predicted: Predicted) -> list[Outcome]:
        """As `Fed.finish`."""
        try:
            took = min(max(predicted.seconds, 0.0), time.monotonic() - turn.started)
            return self._answered(turn.runner, turn.batch, predicted, turn.started, took)
        except Exception as error:  # noqa: BLE001  as above
            return self.defect(turn.batch, error)
        finally:
            self._count()
            self.busy = False

    def go_on_alone(self, batch: Batch, death: RunnerDied | None = None) -> None:
        """As `Fed.go_on_alone`."""
        self._run_alone(batch, death)

    def give_up(self, batch: Batch, why: Exception) -> list[Outcome]:
        """As `Fed.give_up`."""
        self.busy = False
        sentence = f"the release cannot be asked now: {why}; ask again"
        works = (*batch.works, *batch.expired)
        return [self._answers.failure(work, Code.MODEL_UNAVAILABLE, sentence) for work in works]

    def defect(self, batch: Batch, error: Exception) -> list[Outcome]:
        """As `Fed.defect`."""
        self.busy = False
        about = {"model": self._manifest.model, "held": len(batch.works)}
        _logger.error("a batch went wrong", extra=about, exc_info=error)
        sentence = "the worker failed at this request; its log says why"
        return [self._answers.failure(work, Code.INTERNAL, sentence) for work in (*batch.works, *batch.expired)]

    def end(self) -> None:
        """As `Fed.end`: the runner goes, and nobody feeds it any more."""
        try:
            self._supervisor.close(grace=1.0)
        finally:
            self._ended.set()

    # ── what both do ──

    def _predict(self, batch: Batch) -> list[Outcome]:
        if self._supervisor.killed:
            return []
        started = time.monotonic()
        bodies = [work.delivery.request.body for work in batch.works]
        try:
            runner = self._supervisor.living()
        except (RunnerDied, ReleaseRefused) as trouble:
            sentence = f"the release no longer starts: {trouble}; ask again, or roll it back"
            return [self._answers.failure(work, Code.MODEL_UNAVAILABLE, sentence) for work in batch.works]
        reached("before_predict")
        handed = time.monotonic()
        try:
            predicted = runner.predict(batch.method, batch.content_type, bodies, self._timeout)
        except RunnerDied as death:
            return self._after(batch, death)
        reached("after_predict")
        return self._answered(runner, batch, predicted, started, time.monotonic() - handed)

    def _answered(
        self, runner: Runner, batch: Batch, predicted: Predicted, started: float, took: float
    ) -> list[Outcome]:
        self._ran.append(_Ran(batch.works, took, predicted.seconds))
        if runner.outstayed:
            self._supervisor.move_out()
        return self._answers.of(batch, predicted, started)

    def _count(self) -> None:
        """Learn from what ran, and have it observed: after it was answered, for nobody waits for this."""
        ran, self._ran = self._ran, []
        try:
            for works, seconds, predicting in ran:
                rows = sum([work.delivery.request.rows for work in works])
                self.batcher.sizing.observe(rows, seconds)
                self._observe(self._manifest, rows, predicting)
        except Exception:  # a defect of ours: what comes next is answered all the same
            _logger.exception("a batch could not be counted", extra={"model": self._manifest.model})

    def _after(self, batch: Batch, death: RunnerDied) -> list[Outcome]:
        """The process died of this batch, or ended before it came to it, for whatever another release there did."""
        if self._supervisor.killed:
            return []
        if not isinstance(death, RunnerGone):
            return self._after_death(batch.works, str(death))
        self._supervisor.mourn(f"the process that it shared ended: {death}", held=0)
        return self._predict(batch)

    def _after_death(self, works: list[Work], why: str) -> list[Outcome]:
        """Try those it held again, each alone; set aside who has cost too many runners."""
        self._supervisor.mourn(why, held=len(works))
        suspects = [work._replace(deaths=work.deaths + 1) for work in works]
        again = [work for work in suspects if work.losses < self._may_lose(work)]
        dead = [work for work in suspects if work.losses >= self._may_lose(work)]
        if not self.batcher.put(again):
            return [outcome for work in again for outcome in self._predict(_single(work))] + self._buried(dead, why)
        return self._buried(dead, why)

    def _may_lose(self, work: Work) -> int:
        """A release on trial gets one try; whoever chose it knows another one that answers."""
        return 1 if work.route in ON_TRIAL else self._max_losses

    def _buried(self, works: list[Work], why: str) -> list[Outcome]:
        sentence = f"set aside after it lost its runner or worker {self._max_losses} times, the last time: {why}"
        return [self._answers.failure(work, Code.DEAD_LETTERED, sentence) for work in works]


def _single(work: Work) -> Batch:
    request = work.delivery.request
    return Batch(request.method, request.content_type, [work], [])
