"""The parent's side of one release that was loaded: what answers batches for it."""

from collections.abc import Sequence
from typing import Final, Protocol, Self

from predictq_registry import Package
from predictq_worker.inference import Limits
from predictq_worker.runner.errors import RunnerDied, RunnerGone
from predictq_worker.runner.host import Host
from predictq_worker.runner.messages import Load, Predicted, Question
from predictq_worker.runner.nursery_handle import Nursery

__all__ = ["Neighbours", "Runner"]

_LONG: Final = 0.5
"""Seconds that a batch may keep a process from others."""


class Neighbours(Protocol):
    """Who must know how a release gets on with others in its process. Releases are told by their digest."""

    def expel(self, release: str) -> None:
        """It is to have a process of its own from now on."""
        ...

    def may_have_killed(self, release: str) -> None:
        """The process ended while this and others were asked, or before: it is to be asked alone the next time."""
        ...

    def did_not(self, release: str) -> None:
        """It was asked alone, and answered."""
        ...

    def suspect(self, release: str) -> bool:
        """Whether it is to be asked alone."""
        ...


class Runner:
    """One release in a process: its own, or one that it shares. One `predict` at a time, from any thread.

    Attributes:
        pid: The process.
        loaded: What loading the release showed.
        shared: Whether other releases may be in the process.
        outstayed: Whether it kept others waiting, and had better be replaced by one with a process of its own.
    """

    def __init__(self, host: Host, load: Load, timeout: float, neighbours: Neighbours | None = None) -> None:
        """Load a release into `host`; raises as `start`, and `RunnerGone` if that had ended.

        `neighbours`, if others are there: is told what there is to say of this release.
        """
        self.pid: Final = host.pid
        self.shared: Final = load.shared
        self.outstayed = False
        self._host: Final = host
        self._digest: Final = load.package.manifest.digest
        self._neighbours: Final = neighbours
        self._alone = neighbours is not None and neighbours.suspect(self._digest)
        self._limits: Final = load.limits
        self._closed = False
        self._number, self.loaded = host.load(load, timeout)

    @classmethod
    def start(cls, nursery: Nursery, package: Package, limits: Limits, load_timeout: float) -> Self:
        """A process of its own, in which the release in `package` is loaded, checked and warm.

        Raises:
            ReleaseRefused: if the release must not serve.
            RunnerKilled: if it took longer than `load_timeout` seconds.
            RunnerDied: if the process died while it loaded, of it or of something else, or never stood.
        """
        return cls(Host(nursery), Load(package, limits, nursery.trust), load_timeout)

    def predict(
        self, method: str, content_type: str, bodies: Sequence[bytes], timeout: float | None = None
    ) -> Predicted:
        """One answer for each body, in order.

        Raises:
            RunnerGone: if the process had ended before.
            RunnerDied: if it ended meanwhile, or was killed since it did not answer within `timeout` seconds.
        """
        (predicted,) = self.predict_together([(self, self.question(method, content_type, bodies, timeout))])
        return predicted

    def question(
        self, method: str, content_type: str, bodies: Sequence[bytes], timeout: float | None = None
    ) -> Question:
        """What `predict` asks, to be asked together with others."""
        most_bytes = len(bodies) * self._limits.max_answer_bytes
        return Question(self._number, method, content_type, bodies, most_bytes, timeout)

    @staticmethod
    def predict_together(asked: Sequence[tuple["Runner", Question]]) -> list[Predicted]:
        """The answer to each of these questions, of runners that share one process, as `predict` gives it.

        Raises:
            RunnerGone: if the process had ended before, or ended while it was asked several: each is to be asked alone.
            RunnerDied: as `predict` does, if there is one question.
        """
        runners = [runner for runner, _ in asked]
        try:
            answers = runners[0]._host.predict([question for _, question in asked])  # noqa: SLF001  ours
        except RunnerDied as death:
            for runner in runners:
                runner._ended(death)  # noqa: SLF001  ours
            raise
        for runner, predicted in zip(runners, answers, strict=True):
            runner._answered(predicted)  # noqa: SLF001  ours
        return answers

    def _ended(self, death: RunnerDied) -> None:
        if self._neighbours is None:
            return
        if isinstance(death, RunnerGone):
            self._neighbours.may_have_killed(self._digest)
        else:
            self._neighbours.expel(self._digest)

    def _answered(self, predicted: Predicted) -> None:
        if self._neighbours is None:
            return
        if self._alone:
            self._alone = False
            self._neighbours.did_not(self._digest)
        if predicted.seconds > _LONG:
            self.outstayed = True
            self._neighbours.expel(self._digest)

    @property
    def may_join(self) -> bool:
        """Whether it may be asked together with others: it shares their process, and was no bad neighbour so far."""
        return self.shared and not self._alone and not self.outstayed and self.alive

    @property
    def alive(self) -> bool:
        """Whether it can answer."""
        return not self._closed and self._host.alive

    def memory(self) -> int:
        """Bytes that the process shares with nobody, or this release's share of them. Takes milliseconds."""
        return self._host.memory() // max(self._host.count, 1)

    def close(self, grace: float = 1.0) -> None:
        """Let what runs finish within `grace` seconds; its memory is free on return, as `Host.forget` says."""
        self._closed = True
        self._host.forget(self._number, grace)
