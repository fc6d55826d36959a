"""Outcomes that are reported of earlier requests, and who was shown what: kept here until they are written down."""

import logging
import math
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, Final

import orjson

from predictq_broker import JSON, Code, Delivery, Outcome, Result
from predictq_registry import ExperimentFull, Segment
from predictq_worker.bounded_registry import BoundedRegistry
from predictq_worker.work import Work, failure

__all__ = ["Feedback"]

_logger = logging.getLogger(__name__)
_LONGEST: Final = 1 << 20
_MOST_EXPOSED: Final = 100_000
"""Requests of one model that may wait to be written down; more are left out of the experiment."""

Settle = Callable[[list[Outcome]], None]


class Feedback:
    """One segment for each model, written when `write` is called. An outcome is answered once it is stored."""

    def __init__(self, registry: BoundedRegistry, worker: str, settle: Settle) -> None:
        """Nothing is written before `write`."""
        self._registry: Final = registry
        self._worker: Final = worker
        self._settle: Final = settle
        self._lock: Final = threading.Lock()
        self._writing: Final = threading.Lock()
        self.arrived: Final = threading.Event()
        """Set when somebody waits for `write`."""
        self._told = ("", "")
        self._exposed: defaultdict[tuple[str, int], dict[str, dict[str, str]]] = defaultdict(dict)
        self._reported: defaultdict[str, list[Delivery]] = defaultdict(list)

    def expose(self, model: str, began: int, arm: str, outcomes: Sequence[Outcome]) -> None:
        """These were answered by that arm."""
        units = {outcome.delivery.request.id: _unit(outcome.delivery.request.key) for outcome in outcomes}
        with self._lock:
            waiting = self._exposed[model, began].setdefault(arm, {})
            if len(waiting) < _MOST_EXPOSED:
                waiting |= units

    def take(self, works: Sequence[Work]) -> None:
        """These report outcomes; what is no report is told so at once."""
        refused: list[Outcome] = []
        for work in works:
            why = _complaint(work.delivery.request.body)
            if why:
                refused.append(failure(work.delivery, Code.INVALID_INPUT, why))
                continue
            with self._lock:
                self._reported[work.delivery.request.model].append(work.delivery)
            self.arrived.set()
        if refused:
            self._settle(refused)

    def write(self) -> None:
        """Write down what has come, and answer those who reported; what cannot be written waits for the next time."""
        self.arrived.clear()
        with self._writing:
            self._write()

    def close(self) -> list[Work]:
        """Write for the last time; returns the reports that cannot be written here."""
        with self._writing:
            if self._reported:
                self._write()
        with self._lock:
            left = [Work(delivery) for deliveries in self._reported.values() for delivery in deliveries]
            self._reported.clear()
        return left

    def _write(self) -> None:
        with self._lock:
            exposed, self._exposed = self._exposed, defaultdict(dict)
            reported, self._reported = self._reported, defaultdict(list)
        for (model, began), arms in exposed.items():
            try:
                self._registry.record(model, began, self._worker, Segment(exposed=arms))
            except ExperimentFull:
                continue
            except Exception as error:  # noqa: BLE001  whatever it was, nothing may be lost
                self._later(model, error)
                with self._lock:
                    for arm, requests in arms.items():
                        self._exposed[model, began].setdefault(arm, {}).update(requests)
        for model, deliveries in reported.items():
            try:
                self._settle(self._answered(model, deliveries))
            except Exception as error:  # noqa: BLE001  whatever it was, those who reported must be answered
                self._later(model, error)
                with self._lock:
                    self._reported[model] += deliveries

    def _later(self, model: str, error: Exception) -> None:
        if (model, str(error)) != self._told:
            self._told = model, str(error)
            _logger.warning("cannot write down an experiment yet", extra={"model": model, "why": str(error)})

    def _answered(self, model: str, deliveries: list[Delivery]) -> list[Outcome]:
        began = self._registry.newest_experiment(model)
        if not began:
            sentence = f"no experiment of {model!r} was ever begun: predictq rollout ab {model} VERSION"
            return [failure(delivery, Code.INVALID_INPUT, sentence) for delivery in deliveries]
        outcomes = {row["id"]: float(row["value"]) for d in deliveries for row in orjson.loads(d.request.body)}
        try:
            self._registry.record(model, began, self._worker, Segment(outcomes=outcomes))
        except ExperimentFull:
            sentence = "the experiment has as many entries as it may: report, and begin another one"
            return [failure(delivery, Code.TOO_LARGE, sentence) for delivery in deliveries]
        return [_taken(delivery) for delivery in deliveries]


def _unit(key: str) -> str:
    """What a key stands for, without telling it."""
    return blake2b(key.encode(errors="replace"), digest_size=6).hexdigest() if key else ""


def _complaint(body: bytes) -> str:
    """What is wrong with a report; empty if nothing is."""
    form = 'outcomes are reported as [{"id": "of the request", "value": 1.0}]'
    if len(body) > _LONGEST:
        return f"{form}, with at most {_LONGEST} bytes"
    try:
        rows: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return f"{form}, not {error}"
    return "" if isinstance(rows, list) and rows and all(map(_is_report, rows)) else form


def _is_report(row: Any) -> bool:  # noqa: ANN401  whatever somebody sent
    match row:
        case {"id": str(request), "value": int() | float() as value}:
            return 0 < len(request) <= 256 and math.isfinite(value)
        case _:
            return False


def _taken(delivery: Delivery) -> Outcome:
    request = delivery.request
    body = orjson.dumps([True] * len(orjson.loads(request.body)))
    return Outcome(delivery, Result(request.id, Code.OK, body, request.model, content_type=JSON))
