"""Tables of what varies the rows, the model, the backlog, the number of models and of processes."""

from collections.abc import Callable
from operator import itemgetter
from typing import Any

from measurements.models import WIDTH
from measurements.sizing import LEARNT

from report.markdown import count, cut, milliseconds, ranged, table, times
from report.results import Results

__all__ = ["backlog", "bulk", "memory", "models", "popularity", "scaling", "sizing"]

_rate: Callable[[Any], float] = itemgetter("per_second")
_REDIS, _IN_PROCESS = "predictq Redis", "in process"


def _closed_rate(figures: Any) -> float:  # noqa: ANN401  JSON
    return float(figures[str(WIDTH)]["per_second"])


def bulk(results: Results) -> str:
    """A row for each model and form."""
    return _beside(results, "bulk", "rows/s", _rate)


def models(results: Results) -> str:
    """A row for each model."""
    return _beside(results, "models", "requests/s", _closed_rate)


def _beside(results: Results, part: str, unit: str, figure: Callable[[Any], float]) -> str:
    contenders = results.contenders(part)
    rows = [
        [
            case,
            *(ranged(results.spread(part, who, case, figure), count) for who in contenders),
            ranged(results.ratio(part, (_REDIS, case), (_IN_PROCESS, case), figure), times),
        ]
        for case in results.cases(part)
    ]
    return table([unit, *contenders, "Redis, of in process"], rows)


def backlog(results: Results) -> str:
    """A row for each engine."""
    cases = results.cases("backlog")
    rows = [
        [who, *(ranged(results.spread("backlog", who, case, _rate), count) for case in cases)]
        for who in results.contenders("backlog")
    ]
    return table(["requests/s with so many waiting", *cases], rows)


def popularity(results: Results) -> str:
    """A row for each number of models, with a process each and with one that they share."""
    rows = [
        [
            f"{case}, {who.removeprefix('predictq ')}",
            ranged(results.spread("popularity", who, case, _rate), count),
            ranged(results.spread("popularity", who, case, itemgetter("failed")), count),
            ranged(results.spread("popularity", who, case, _mebibytes), count),
        ]
        for case in results.cases("popularity")
        for who in results.contenders("popularity")
    ]
    return table(["models", "requests/s", "failed", "memory of the worker, MiB"], rows)


def _mebibytes(figures: Any) -> float:  # noqa: ANN401  JSON
    return sum(int(figures["memory"].get(role, 0)) for role in ("worker", "its children")) / (1 << 20)


def scaling(results: Results) -> str:
    """A row for each shape; beside one worker of one runner."""
    contenders = results.contenders("scaling")
    rows = [
        [case, *(cell for who in contenders for cell in _beside_one(results, who, case))]
        for case in results.cases("scaling")
    ]
    head = (cell for who in contenders for cell in (who, "of 1 x 1"))
    return table(["requests/s by model, workers x runners", *head], rows)


def _beside_one(results: Results, who: str, case: str) -> tuple[str, str]:
    one = f"{case.partition(',')[0]}, 1 x 1"
    return (
        ranged(results.spread("scaling", who, case, _closed_rate), count),
        ranged(results.ratio("scaling", (who, case), (who, one), _closed_rate), times),
    )


def sizing(results: Results) -> str:
    """A row for each model and size."""
    rows = [
        [
            case,
            ranged(results.spread("sizing", _REDIS, case, itemgetter("rows_of_a_batch")), count),
            ranged(results.spread("sizing", _REDIS, case, itemgetter("seconds_of_a_batch")), milliseconds),
            ranged(results.spread("sizing", _REDIS, case, _rate), count),
            ranged(
                results.ratio("sizing", (_REDIS, case), (_REDIS, f"{case.partition(',')[0]}, {LEARNT}"), _rate), times
            ),
        ]
        for case in results.cases("sizing")
    ]
    return table(["model, most rows of a batch", "rows it had", "ms it took", "requests/s", "of learnt"], rows)


def memory(results: Results) -> str:
    """Bytes, by engine."""
    kinds = [("waiting request", "server"), ("connected client", "server"), ("connected client", "asker")]
    kinds += [("idle worker", "worker"), ("idle worker", "its children")]
    rows = [
        [who, *(cut(results.spread("memory", who, "", _bytes(*kind)), _size) for kind in kinds)]
        for who in results.contenders("memory")
    ]
    return table(["memory of each", *(f"{what}: {role}" for what, role in kinds)], rows)


def _bytes(what: str, role: str) -> Callable[[Any], float]:
    return lambda figures: float(figures[what][role])


def _size(value: float) -> str:
    if value < 0:  # a server that gave memory back meanwhile
        return "not measurable"
    if value >= 1 << 20:
        return f"{value / (1 << 20):.1f} MiB"
    return f"{value / (1 << 10):.1f} KiB" if value >= 10 << 10 else f"{value:.0f} B"
