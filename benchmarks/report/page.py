"""The page of results, section by section."""

from collections.abc import Callable, Iterator
from typing import Any

from contenders import ENGINES, LIMITS, QUEUES, SERVERS
from measurements import PARTS

from report.goals import goals
from report.growth import backlog, bulk, memory, models, popularity, scaling, sizing
from report.loads import engines, latency, peers
from report.markdown import ranged, table, times
from report.results import Results

__all__ = ["page"]

_SECTIONS: dict[str, Callable[[Results], str]] = {
    "engines": engines,
    "peers": peers,
    "latency": latency,
    "bulk": bulk,
    "models": models,
    "backlog": backlog,
    "popularity": popularity,
    "scaling": scaling,
    "sizing": sizing,
    "memory": memory,
}


def page(results: Results, about: dict[str, Any], plots: list[str]) -> str:
    """All of it in Markdown."""
    return "\n".join(_blocks(results, about, plots))


def _blocks(results: Results, about: dict[str, Any], plots: list[str]) -> Iterator[str]:
    yield "# Measured\n"
    yield _machine(about, sum(turn.took for turn in results.turns))
    yield from _faults(results)
    yield "## Beside what it could be\n"
    yield _goals(results)
    for part in PARTS:
        if results.contenders(part.name):
            yield f"## {part.about}\n"
            yield from (f"![{part.about}]({plot})\n" for plot in plots if plot.startswith(part.name))
            yield _SECTIONS[part.name](results)
            yield from _absent(results, part.name)
    yield "## What each promises\n"
    yield _promises()


def _faults(results: Results) -> Iterator[str]:
    found = results.faults()
    yield f"Answers that were wrong, were errors, or did not come, in all of it: {'' if found else 'none.'}\n"
    if found:
        rows = [(who, f"{faults.count:,}", _sentence(faults.first)) for who, faults in found.items()]
        yield table(("of", "so many", "the first of them"), rows)


def _sentence(text: str) -> str:
    """What a table can hold of it."""
    return " ".join(text.replace("|", "/").split())[:200]


def _machine(about: dict[str, Any], took: float) -> str:
    machine = about["machine"]
    warning = (
        "\n\nOne quick round: it shows that everything works, and is not to be quoted.\n" if about["quick"] else "\n"
    )
    return (
        f"Made by `make bench`; [how, and what each figure means](../../benchmarks/README.md);"
        f" [every figure of every turn](results.json). {machine['when']}, commit {machine.get('commit') or 'unknown'}"
        f" (code {about['product']}, benchmark {about.get('benchmark', 'unknown')}); {took / 60:.0f} minutes.\n\n"
        f"{machine['cores']} cores of {machine['processor']}, {machine['memory_gib']} GiB; {machine['system']};"
        f" Python {machine['python']}, Redis {machine['redis']}, RabbitMQ {machine['rabbitmq']}."
        f" Load when it began: {machine['load_at_start']}. {about['seconds']:g} s for each figure after a warm-up;"
        f" medians of the rounds, and in brackets the least and the most.{warning}"
    )


def _goals(results: Results) -> str:
    words = {True: "yes", False: "no", None: "not measured"}
    rows = [(goal.what, goal.wanted, ranged(goal.reached, times), words[goal.met]) for goal in goals(results)]
    return table(("ratio", "wanted", "measured", "met"), rows)


def _absent(results: Results, part: str) -> Iterator[str]:
    missing = results.missing(part)
    if missing:
        yield table(("not measured", "why"), [(who, _sentence(why)) for who, why in missing.items()])


def _promises() -> str:
    rows = [
        (who.name, who.promises.durable, who.promises.redelivered, who.promises.lease, who.promises.once)
        for who in (*ENGINES, *LIMITS, *QUEUES, *SERVERS)
    ]
    head = ("as it was measured", "accepted survives", "comes back from a killed worker", "noticed by", "one result")
    return table(head, rows)
