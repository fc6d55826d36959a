"""Tables of single-row requests: closed-loop and open-loop."""

from collections.abc import Callable, Iterator
from typing import Any

from measurements.latency import EQUAL, SHARES

from report.markdown import count, milliseconds, ranged, table, times
from report.results import Results, peak

__all__ = ["engines", "latency", "peers"]

_ROLES = ("asker", "server", "worker", "its children")


def engines(results: Results) -> str:
    """Each beside the bare loop on its own engine; what has no engine beside the one on Redis."""
    return _closed(results, "engines", _loop_beside, "of the bare loop")


def _loop_beside(who: str) -> str:
    engine = next((name for name in ("SQLite", "RabbitMQ") if name in who), "Redis")
    return f"bare loop {engine}"


def peers(results: Results) -> str:
    """Beside predictq on Redis, which took turns with them."""
    return _closed(results, "peers", lambda _: "predictq Redis", "of predictq")


def _closed(results: Results, part: str, other: Callable[[str], str], ratio: str) -> str:
    widths = _widths(results, part)
    head = [
        "requests/s, so many on their way",
        *(f"{width:,}" for width in widths),
        ratio,
        "p50 ms, alone",
        "p99 ms, alone",
    ]
    rows = list(_closed_rows(results, part, other, widths))
    return table(head, rows) + "\n" + _processors(results, part, widths[-1:])


def _widths(results: Results, part: str) -> list[int]:
    found = {width for turn in results.turns if turn.part == part and turn.figures for width in turn.figures}
    return sorted(int(width) for width in found)


def _closed_rows(results: Results, part: str, other: Callable[[str], str], widths: list[int]) -> Iterator[list[str]]:
    for who in results.contenders(part):
        if not results.rounds(part, who):
            continue
        rates = [ranged(results.spread(part, who, "", _at(str(width), "per_second")), count) for width in widths]
        beside = ranged(results.ratio(part, (who, ""), (other(who), ""), peak), _small)
        alone = [ranged(results.spread(part, who, "", _at("1", name)), milliseconds) for name in ("p50", "p99")]
        yield [who, *rates, beside, *alone]


def _small(value: float) -> str:
    return f"{value:.2g}" if value < 0.1 else times(value)


def _at(phase: str, name: str) -> Callable[[Any], float]:
    return lambda figures: float(figures[phase][name])


def _processors(results: Results, part: str, widths: list[int]) -> str:
    """Processor time by process, at the widest."""
    rows: list[list[str]] = []
    for who in results.contenders(part):
        for width in widths:
            used = [results.spread(part, who, "", _per_million(str(width), role)) for role in _ROLES]
            if any(used):
                rows.append([who, *(ranged(spread, count) for spread in used)])
    return table(["CPU seconds per million requests", *_ROLES], rows)


def _per_million(phase: str, role: str) -> Callable[[Any], float]:
    def figure(figures: Any) -> float:  # noqa: ANN401  JSON
        found = figures[phase]
        if not found["total"]:
            raise ValueError("nothing was answered")
        return float(found["cpu"][role]) / int(found["total"]) * 1e6

    return figure


def latency(results: Results) -> str:
    """A table for each quantile: shares of each one's own peak, then loads that are equal for all."""
    return "\n".join(
        _quantiles(results, name, key) for name, key in (("p50", "p50"), ("p99", "p99"), ("p99.9", "p999"))
    )


def _quantiles(results: Results, name: str, key: str) -> str:
    head = [f"{name} ms", "peak/s", *(f"{share:.0%} of it" for share in SHARES), *(f"{rate}/s" for rate in EQUAL)]
    phases = [f"{share:.0%}" for share in SHARES] + [f"{rate}/s" for rate in EQUAL]
    rows = [
        [
            who,
            ranged(results.spread("latency", who, "", lambda figures: float(figures["peak"])), count),
            *(ranged(results.spread("latency", who, "", _quantile(phase, key)), milliseconds) for phase in phases),
        ]
        for who in results.contenders("latency")
        if results.rounds("latency", who)
    ]
    return table(head, rows)


def _quantile(phase: str, key: str) -> Callable[[Any], float]:
    """Only of so many requests that more than one is beyond it."""
    least = {"p99": 100, "p999": 1000}.get(key, 1)

    def figure(figures: Any) -> float:  # noqa: ANN401  JSON
        if int(figures[phase]["answered"]) < least:
            raise ValueError(f"{key} of fewer than {least}")
        return float(figures[phase][key])

    return figure
