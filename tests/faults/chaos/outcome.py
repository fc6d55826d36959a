"""What is to be run, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from faults.chaos.auditor import Audit
from faults.chaos.system import Size

__all__ = ["Event", "Outcome", "Plan"]


@dataclass(frozen=True)
class Plan:
    """What to run.

    Attributes:
        engine: The broker.
        seed: Which faults, in which order, on whom; it does not fix the timing.
        minutes: How long at least.
        requests: Accepted requests at least.
        faults: Faults that happened at least; two at a time are two.
        pairs: From which share of them on two at a time.
        control: The safeguard to take away; see `controls`.
        size: How many of everything.
        recovery: Seconds that are waited, after a fault, for what was accepted before its end.
        patience: Seconds without an answer after which the rest is lost.
        only: The faults to draw from; all, if empty.
    """

    engine: str
    seed: int = 1
    minutes: float = 0.0
    requests: int = 100_000
    faults: int = 200
    pairs: float = 0.5
    control: str = ""
    size: Size = field(default_factory=Size)
    recovery: float = 60.0
    patience: float = 20.0
    only: Sequence[str] = ()


@dataclass(frozen=True)
class Event:
    """One fault, or two at a time: what it was, the proof, and what it cost.

    Attributes:
        names: Which.
        proofs: What shows that each happened; one that nothing proves does not count.
        troubles: Why there is no proof of the others.
        lasted: Seconds from its beginning to its end.
        recovery: Seconds from its end until all that was accepted before was answered; None: not in time.
    """

    names: Sequence[str]
    proofs: Sequence[str]
    troubles: Sequence[str]
    lasted: float
    recovery: float | None

    @property
    def happened(self) -> int:
        """How many faults are proven."""
        return len(self.proofs)

    def __str__(self) -> str:
        recovered = "not recovered in time" if self.recovery is None else f"recovered in {self.recovery:.1f} s"
        unproven = [f"NO PROOF ({trouble})" for trouble in self.troubles]
        return f"{' + '.join(self.names)}: {'; '.join([*self.proofs, *unproven, recovered])}"


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    plan: Plan
    audit: Audit
    events: Sequence[Event]
    left_out: Sequence[str]
    left_over: Sequence[str]
    broker: str
    one_answer: bool
    seconds: float

    @property
    def happened(self) -> int:
        """How many faults are proven."""
        return sum(event.happened for event in self.events)

    @property
    def failures(self) -> list[str]:
        """Why the run is not good; empty if it is."""
        found = self.audit.failures(one_answer=self.one_answer) + list(self.left_over)
        if self.happened < self.plan.faults:
            found.append(f"{self.happened} faults happened, {self.plan.faults} were to")
        if self.audit.accepted < self.plan.requests:
            found.append(f"{self.audit.accepted} requests were accepted, {self.plan.requests} were to be")
        return found
