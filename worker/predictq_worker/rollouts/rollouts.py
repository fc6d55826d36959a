"""The rollouts that this worker takes part in: it follows their document, and says what it has to say to it."""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Final, Protocol

from predictq_broker import Code, Outcome
from predictq_registry import CHALLENGER, CHAMPION, RegistryError, Route, Verdict, judge, together
from predictq_worker.bounded_registry import BoundedRegistry
from predictq_worker.cold_routes import Target
from predictq_worker.deployment import Deployment
from predictq_worker.rollouts.feedback import Feedback
from predictq_worker.rollouts.split import Split
from predictq_worker.rollouts.tally import FAULTS
from predictq_worker.rollouts.turns import next_turn
from predictq_worker.runner import ReleaseRefused
from predictq_worker.work import SHADOW, Work

__all__ = ["Releases", "Rollouts"]

_logger = logging.getLogger(__name__)
_LOOK: Final = 0.5
"""Seconds between two looks at what is to be said."""

Settle = Callable[[list[Outcome]], None]


class Releases(Protocol):
    """What a rollout needs of the catalog."""

    def hold(self, model: str, version: int) -> Deployment:
        """That version, loaded or on its way; `ReleaseRefused` if it does not load."""
        ...

    def route(self, works: list[Work]) -> None:
        """Queue each with the release it asks for."""
        ...

    def drop(self, deployment: Deployment) -> None:
        """Let it answer what it has, then give its memory back."""
        ...

    def memory_of(self, model: str, version: int) -> int:
        """Bytes that the runners of that release hold; 0 if it is not in memory."""
        ...


class Rollouts:
    """Which rollouts there are, by what requests ask for. Without one it costs a look at an empty table."""

    def __init__(self, registry: BoundedRegistry, worker: str, settle: Settle, *, room: int, patience: float) -> None:
        """Nothing runs yet.

        Args:
            registry: Where the routing documents are.
            worker: What this worker is called in them; no two may share it.
            settle: Takes the outcomes that are answers.
            room: How many requests of one model this worker holds at most.
            patience: Seconds that a release may take to load.
        """
        self._registry: Final = registry
        self.worker: Final = worker
        self._settle: Final = settle
        self._room: Final = room
        self._patience: Final = patience
        self.feedback: Final = Feedback(registry, worker, settle)
        self._splits: dict[Target, Split] = {}
        self._used = False
        self._releases: Releases | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rollouts", daemon=True)

    def start(self) -> None:
        """Begin to speak up."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still speaks up."""
        return self._thread.is_alive()

    def stop(self, timeout: float) -> None:
        """Say nothing more, and write down the rest."""
        self._stop.set()
        self.feedback.arrived.set()
        self._thread.join(timeout)
        self.feedback.write()

    # ── requests ──

    def divert(self, target: Target, works: list[Work]) -> list[Work]:
        """Send on their way those that are not the champion's; returns the champion's."""
        split = self._splits.get(target)
        return split.divert(works) if split is not None else works

    def settle(self, outcomes: list[Outcome]) -> None:
        """The last station before an answer: what failed on a challenger is the champion's to answer."""
        if self._used:
            outcomes = self._answers(outcomes)
        if outcomes:
            self._settle(outcomes)

    def _answers(self, outcomes: list[Outcome]) -> list[Outcome]:
        self._count(outcomes)
        again = [
            Work(outcome.delivery, int(outcome.result.status is Code.DEAD_LETTERED), CHAMPION)
            for outcome in outcomes
            if _fails_on_trial(outcome)
        ]
        if again and self._releases is not None:
            self._releases.route(again)
        return [outcome for outcome in outcomes if outcome.result.route != SHADOW and not _fails_on_trial(outcome)]

    def _count(self, outcomes: list[Outcome]) -> None:
        """They are of one batch, and of as many rollouts as there are aliases of this release."""
        by_arm: defaultdict[tuple[Target, str], list[Outcome]] = defaultdict(list)
        for outcome in outcomes:
            request = outcome.delivery.request
            by_arm[Target(request.model, request.ref), outcome.result.route].append(outcome)
        for (target, arm), group in by_arm.items():
            if arm and (split := self._splits.get(target)) is not None:
                split.count(arm, group)
                if split.rollout.strategy == "ab":
                    self.feedback.expose(target.model, split.rollout.began, arm, group)

    # ── the document ──

    def follow(self, target: Target, route: Route, releases: Releases) -> list[tuple[str, int]]:
        """Do as the document says; returns the releases to keep for it, beside the champion."""
        self._releases = releases
        rollout, split = route.rollout, self._splits.get(target)
        if split is not None and (rollout is None or rollout.began != split.rollout.began):
            self._end(split, releases)
            split = None
        if rollout is None or rollout.strategy == "recreate":
            return []
        if split is None:
            self._used = True
            split = self._splits[target] = Split(target, route.version, rollout, self.worker, self._room)
        split.update(rollout)
        if not rollout.needed_by(self.worker):
            return []
        try:
            split.challenger = releases.hold(target.model, rollout.version)
        except ReleaseRefused as error:
            split.trouble = str(error)
        return [(target.model, rollout.version)]

    def tries(self, model: str, version: int) -> bool:
        """Whether that release is rolled out."""
        return any(s.target.model == model and s.rollout.version == version for s in list(self._splits.values()))

    def _end(self, split: Split, releases: Releases) -> None:
        """Not ours any more: what still waits for the challenger goes to what serves now."""
        del self._splits[split.target]
        if split.rollout.strategy == "shadow" and split.challenger is not None:
            releases.drop(split.challenger)  # it has given way for ever: whoever answers is loaded anew
        if works := split.withdraw():
            releases.route(works)

    def _run(self) -> None:
        due = 0.0
        while not self._stop.is_set():
            self.feedback.arrived.wait(_LOOK)
            self.feedback.write()
            if time.monotonic() >= due:
                due = time.monotonic() + _LOOK
                for split in list(self._splits.values()):
                    self._look_at(split)

    def _look_at(self, split: Split) -> None:
        try:
            self._speak_up(split)
        except (RegistryError, OSError) as error:
            split.complain(str(error))
        except Exception:  # whatever it was, the other rollouts go on
            _logger.exception("a look at the rollout went wrong", extra={"model": split.target.model})

    def _speak_up(self, split: Split) -> None:
        seen = split.rollout
        verdict = self._verdict(split)
        if verdict is not None and self._registry.carry_on(
            split.target.model, split.target.ref, seen, verdict.then, author=self.worker, note=verdict.why
        ):
            then = verdict.then if isinstance(verdict.then, str) else "step"
            about = {"model": split.target.model, "version": seen.version, "then": then, "why": verdict.why}
            _logger.info("rollout goes on", extra=about)

    def _verdict(self, split: Split) -> Verdict | None:
        model, rollout = split.target.model, split.rollout
        if self._releases is not None:
            split.weigh(self._releases.memory_of)
        seen = together(self._registry.observe(model, rollout.began, split.report()))
        if split.trouble:
            return Verdict("stop", f"version {rollout.version} does not serve on {self.worker}: {split.trouble}")
        verdict = judge(rollout, seen, split.waited)
        if verdict is None and rollout.strategy == "rolling":
            return next_turn(rollout, self.worker, serving=split.serving, waited=split.waited, patience=self._patience)
        return verdict


def _fails_on_trial(outcome: Outcome) -> bool:
    return outcome.result.route == CHALLENGER and outcome.result.status in FAULTS
