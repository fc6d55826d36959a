"""What this worker saw of a rollout, counted as batches end."""

import math
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import orjson

from predictq_broker import JSON, Code, Outcome
from predictq_registry import CHALLENGER, CHAMPION, Arm, Report, bucket

__all__ = ["FAULTS", "Tally", "kind_of"]

FAULTS: Final = frozenset(
    {Code.INVALID_INPUT, Code.MODEL_ERROR, Code.MODEL_UNAVAILABLE, Code.DEAD_LETTERED, Code.INTERNAL}
)
"""What a release can be to blame for; an input that the other one takes may be refused wrongly, too."""
_LATE: Final = FAULTS | {Code.DEADLINE_EXCEEDED}
_LOOKED_AT: Final = 16
"""Answers of a batch whose outputs are looked at, and how long those may be: the worker has other things to do."""
_SHORT: Final = 4096
_MOST_KINDS: Final = 100


class Tally:
    """Counts what each arm does. Everything may be called from any thread."""

    def __init__(self, worker: str) -> None:
        """`worker`: who counts."""
        self._worker = worker
        self._lock = threading.Lock()
        self._arms = {CHAMPION: _Arm(), CHALLENGER: _Arm()}

    def count(self, arm: str, outcomes: Sequence[Outcome]) -> None:
        """These came out of one batch of that arm."""
        kinds = [kind for outcome in outcomes[:_LOOKED_AT] if (kind := _first(outcome))]
        seconds = max(outcome.result.timings.predicted for outcome in outcomes)
        with self._lock:
            counted = self._arms[arm]
            counted.answers += len(outcomes)
            counted.errors += sum(outcome.result.status in _LATE for outcome in outcomes)
            for kind in kinds:
                known = kind in counted.outputs or len(counted.outputs) < _MOST_KINDS
                counted.outputs[kind if known else "others"] += 1
            if seconds:
                counted.batches[str(bucket(seconds))] += 1

    def holds(self, arm: str, memory: int) -> None:
        """So many bytes are held by that arm now."""
        with self._lock:
            self._arms[arm].memory = max(self._arms[arm].memory, memory)

    def report(self) -> Report:
        """All of it, from the beginning."""
        with self._lock:
            champion, challenger = self._arms[CHAMPION].frozen(), self._arms[CHALLENGER].frozen()
        return Report(worker=self._worker, champion=champion, challenger=challenger)


class _Arm:
    def __init__(self) -> None:
        self.answers = self.errors = self.memory = 0
        self.batches = Counter[str]()
        self.outputs = Counter[str]()

    def frozen(self) -> Arm:
        return Arm(
            answers=self.answers,
            errors=self.errors,
            batches=dict(self.batches),
            outputs=dict(self.outputs),
            memory=self.memory,
        )


def _first(outcome: Outcome) -> str:
    """What kind of output the first row got; empty if that is not cheap to say."""
    result = outcome.result
    if result.status is not Code.OK or result.content_type != JSON or len(result.body) > _SHORT:
        return ""
    outputs = orjson.loads(result.body)
    return kind_of(outputs[0]) if isinstance(outputs, list) and outputs else ""


def kind_of(output: Any) -> str:  # noqa: ANN401  whatever a model predicts
    """A label, or the bucket of a number: 32 to each doubling. Of several numbers, which is the largest."""
    match output:
        case float() if output and math.isfinite(output):
            steps = round(32 * math.log2(abs(output))) + 10_000  # positive for all that is above 1e-94
            return str(max(1, steps) if output > 0 else -max(1, steps))
        case float():
            return "not a number" if output else "0"
        case [int() | float(), *_] if all(isinstance(number, (int, float)) for number in output):
            return f"largest: {max(range(len(output)), key=output.__getitem__)}"
        case str() | int() | None:
            return f"{output!r}"[:40].replace("\n", " ") if isinstance(output, str) else f"label {output}"
        case _:
            return ""
