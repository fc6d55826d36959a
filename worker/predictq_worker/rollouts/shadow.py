"""Copies of what the champion has answered, for the challenger to answer too: compared, and never sent to anybody."""

import heapq
import math
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import orjson

from predictq_broker import JSON, NPY, Code, Delivery, Outcome, Result
from predictq_registry import Comparison, Pair, contrast
from predictq_worker.deployment import Deployment
from predictq_worker.rollouts.npy import listed
from predictq_worker.work import SHADOW, Work

__all__ = ["Shadow"]

_COPIES: Final = 256
_BYTES: Final = 4 << 20
"""How many copies, of how many bytes together, may wait for the challenger; the others are not made."""
_LONGEST: Final = 64 << 10
_PATIENCE: Final = 30.0
"""Seconds after which a copy that has not run is not run any more."""
_WORST: Final = 20
_POINTS: Final = 500
_PAIRS: Final = 400


class Shadow:
    """Makes copies within a budget, and compares; each once the champion has answered, so that it delays nothing."""

    def __init__(self) -> None:
        self._lock: Final = threading.Lock()
        self._waiting: dict[int, tuple[Delivery, Result]] = {}
        self._size = 0
        self._compared = self._differing = self._failed = self._dropped = 0
        self._distance = 0.0
        self._worst: list[tuple[float, int, Pair]] = []
        self._points: list[tuple[float, float]] = []
        self._labels = Counter[str]()

    def copy(self, answered: Sequence[Outcome], challenger: Deployment | None) -> None:
        """Let the challenger answer these too, as far as there is room."""
        if challenger is None:
            return
        copies = [copy for outcome in answered if (copy := self._copied(outcome)) is not None]
        if copies and not challenger.put_last([Work(copy, 0, SHADOW) for copy in copies]):
            for copy in copies:
                self._pop(copy)

    def _copied(self, outcome: Outcome) -> Delivery | None:
        result, delivery = outcome.result, outcome.delivery
        comparable = result.status is Code.OK and result.content_type in {JSON, NPY} and len(result.body) <= _LONGEST
        size = len(delivery.request.body)
        with self._lock:
            if not comparable or not self._has_room(size):
                self._dropped += 1
                return None
            # Nobody's: it was never received under a lease, and nothing it comes to is settled.
            copy = delivery._replace(tag=None, attempt=1, expires=time.monotonic() + _PATIENCE)
            self._waiting[id(copy)] = copy, result
            self._size += size
            return copy

    def _has_room(self, size: int) -> bool:
        """Whether another one fits. What was forgotten with a runner or a release never comes back: it gives way."""
        if self._fits(size):
            return True
        now = time.monotonic()
        for copy, _ in list(self._waiting.values()):
            if copy.expires + _PATIENCE < now:
                self._remove(copy)
                self._dropped += 1
        return self._fits(size)

    def _fits(self, size: int) -> bool:
        return len(self._waiting) < _COPIES and self._size + size <= _BYTES

    def _remove(self, copy: Delivery) -> Result | None:
        found = self._waiting.pop(id(copy), None)
        self._size -= len(copy.request.body) if found else 0
        return found[1] if found else None

    def _pop(self, copy: Delivery) -> Result | None:
        with self._lock:
            return self._remove(copy)

    def take(self, outcomes: Sequence[Outcome]) -> None:
        """What became of copies."""
        for outcome in outcomes:
            champions = self._pop(outcome.delivery)
            if champions is None:
                continue
            if outcome.result.status is not Code.OK:
                with self._lock:
                    self._failed += outcome.result.status is not Code.DEADLINE_EXCEEDED
                    self._dropped += outcome.result.status is Code.DEADLINE_EXCEEDED
                continue
            self._compare(champions.id, _read(champions), _read(outcome.result))

    def _compare(self, request: str, champion: Any, challenger: Any) -> None:  # noqa: ANN401  whatever models predict
        same, distance = contrast(champion, challenger)
        distance = distance if math.isfinite(distance) else 1.0
        with self._lock:
            self._compared += 1
            self._differing += not same
            self._distance += distance
            if not same:
                pair = Pair(id=request, distance=distance, champion=_short(champion), challenger=_short(challenger))
                push = heapq.heappush if len(self._worst) < _WORST else heapq.heappushpop
                push(self._worst, (distance, self._compared, pair))
            self._note(champion, challenger)

    def _note(self, champion: Any, challenger: Any) -> None:  # noqa: ANN401  whatever models predict
        """What a plot shows of it: the first number, or how often which label stands against which."""
        if not (isinstance(champion, list) and isinstance(challenger, list) and champion and challenger):
            return
        ours, theirs = _number(champion[0]), _number(challenger[0])
        if ours is not None and theirs is not None:
            if len(self._points) < _POINTS:
                self._points.append((ours, theirs))
            return
        pair = f"{_short(champion[0])}\t{_short(challenger[0])}"
        if pair in self._labels or len(self._labels) < _PAIRS:
            self._labels[pair] += 1

    def comparison(self) -> Comparison:
        """All of it, from the beginning."""
        with self._lock:
            return Comparison(
                compared=self._compared,
                differing=self._differing,
                failed=self._failed,
                dropped=self._dropped,
                distance=self._distance,
                worst=tuple(pair for _, _, pair in sorted(self._worst, reverse=True)),
                points=tuple(self._points),
                labels=dict(self._labels),
            )


def _read(result: Result) -> Any:  # noqa: ANN401  whatever models predict
    return orjson.loads(result.body) if result.content_type == JSON else listed(result.body)


def _number(output: Any) -> float | None:  # noqa: ANN401  whatever models predict
    """A number as it is; of scores the last, which of two classes is that of the positive one."""
    last = output[-1] if isinstance(output, list) and output else output
    return last if isinstance(last, float) and math.isfinite(last) else None


def _short(output: Any) -> str:  # noqa: ANN401  whatever models predict
    return str(output).replace("\t", " ")[:80]
