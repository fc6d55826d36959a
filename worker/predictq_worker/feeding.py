"""What a feeder and those it feeds know of each other."""

from typing import NamedTuple, Protocol

from predictq_broker import Outcome
from predictq_worker.batcher import Batch, Batcher
from predictq_worker.runner import Predicted, Question, Runner, RunnerDied

__all__ = ["Fed", "Turn"]


class Turn(NamedTuple):
    """One batch on its way.

    Attributes:
        member: Whose it is.
        runner: Who is asked.
        question: What is asked.
        batch: The batch.
        late: The outcomes of what had expired.
        started: When its turn came.
    """

    member: "Fed"
    runner: Runner
    question: Question
    batch: Batch
    late: list[Outcome]
    started: float


class Fed(Protocol):
    """Who can be fed: a replica. One thread at a time calls it: the feeder's, or its own while it is alone."""

    @property
    def batcher(self) -> Batcher:
        """Where its batches come from."""
        ...

    @property
    def alive(self) -> bool:
        """Whether there is a runner that can answer."""
        ...

    @property
    def may_join(self) -> bool:
        """Whether its runner may be asked together with others."""
        ...

    def begin(self, batch: Batch) -> Turn | None:
        """The turn of that batch; None if it must be alone with it."""
        ...

    def finish(self, turn: Turn, predicted: Predicted) -> list[Outcome]:
        """The outcomes of what was asked in that turn."""
        ...

    def go_on_alone(self, batch: Batch, death: RunnerDied | None = None) -> None:
        """Answer that batch, of which the process died if `death` says so, and go on in a thread of its own.

        Raises:
            RuntimeError: if there is no thread to be had; then nothing was done.
        """
        ...

    def give_up(self, batch: Batch, why: Exception) -> list[Outcome]:
        """The outcomes of a batch that cannot be run now."""
        ...

    def defect(self, batch: Batch, error: Exception) -> list[Outcome]:
        """The outcomes of a batch of which a fault of ours was made."""
        ...

    def end(self) -> None:
        """There will be no more work."""
        ...
