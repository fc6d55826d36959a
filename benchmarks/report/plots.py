"""The plots, in an environment of their own: `python -m report.plots RESULTS.json FOLDER` prints the files it made."""

import json
import math
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from cycler import Cycler
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

Figures = dict[str, Any]
Turns = list[Figures]
Pick = Callable[[Figures], float]
_OWN, _OTHER = "#b03060", "#7f8c9a"


def _marked(colours: Sequence[Any]) -> Cycler:
    """Twenty that differ: dark and light ones by their marks too."""
    strong, weak = list(colours[::2]), list(colours[1::2])
    return mpl.cycler(color=strong + weak, marker=["o"] * len(strong) + ["s"] * len(weak))


mpl.use("svg")
mpl.rcParams.update(
    {
        "svg.hashsalt": "predictq",  # the same figures give the same file
        "svg.fonttype": "none",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.constrained_layout.use": True,
        "axes.ymargin": 0.02,
        "axes.prop_cycle": _marked(mpl.colormaps["tab20"].colors),
    }
)


def medians(turns: Turns, pick: Pick) -> dict[tuple[str, str], float]:
    """By contender and case, in the order of the turns."""
    found: dict[tuple[str, str], list[float]] = {}
    for turn in turns:
        try:
            value = pick(turn["figures"])
        except (KeyError, TypeError, ValueError):
            continue
        found.setdefault((turn["contender"], turn["case"]), []).append(value)
    return {name: statistics.median(values) for name, values in found.items()}


def peak(figures: Figures) -> float:
    """The best of all widths."""
    return max(float(phase["per_second"]) for phase in figures.values())


def colour(name: str) -> str:
    """Ours stands out."""
    return _OWN if name.startswith("predictq") else _OTHER


def peaks(turns: Turns, part: str) -> Figure:
    """Bars, the fastest on top; each step of the scale is ten times the one before."""
    rates = sorted((rate, who) for (who, _), rate in medians(turns, peak).items())
    figure, axes = plt.subplots(figsize=(8, 0.6 + 0.32 * len(rates)))
    names = [who for _, who in rates]
    bars = axes.barh(names, [rate for rate, _ in rates], color=[colour(who) for who in names])
    axes.bar_label(bars, [f" {rate:,.0f}" for rate, _ in rates])
    axes.set(xscale="log", xlim=(10 ** math.floor(math.log10(max(1.0, rates[0][0]))), rates[-1][0] * 4))
    axes.set_xlabel(f"single-row requests/s, the best of all widths ({part})")
    return figure


def lines(axes: Axes, turns: Turns, phases: Mapping[str, Pick]) -> None:
    """A line for each contender, over the phases that it went through."""
    found = {phase: medians(turns, pick) for phase, pick in phases.items()}
    for who in dict.fromkeys(turn["contender"] for turn in turns):
        points = {phase: rates[who, ""] for phase, rates in found.items() if (who, "") in rates}
        form = "-" if who.startswith("predictq") else "--"
        axes.plot(list(points), list(points.values()), linestyle=form, label=who, markersize=4)


def at(phase: str, name: str) -> Pick:
    """One figure of one phase."""
    return lambda figures: float(figures[phase][name])


def widths(turns: Turns) -> Figure:
    """Over how many requests are on their way."""
    figure, axes = plt.subplots(figsize=(8, 4.5))
    phases = sorted({int(width) for turn in turns if turn["figures"] for width in turn["figures"]})
    lines(axes, turns, {f"{width:,}": at(str(width), "per_second") for width in phases})
    axes.set(yscale="log", xlabel="requests on their way", ylabel="requests/s")
    figure.legend(loc="outside right upper", fontsize=7)
    return figure


def latency(turns: Turns) -> Figure:
    """p50 and p99 of each, at shares of its own peak."""
    figure, both = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True)
    for axes, name in zip(both, ("p50", "p99"), strict=True):
        lines(axes, turns, {share: at(share, name) for share in ("10%", "50%", "80%")})
        axes.set(yscale="log", xlabel="load, of its own peak", title=name)
        axes.yaxis.set_major_formatter(EngFormatter("s"))
    figure.legend(*both[0].get_legend_handles_labels(), loc="outside right upper", fontsize=7)
    return figure


def cases(turns: Turns, pick: Pick, label: str) -> Figure:
    """Bars by case, a colour for each contender."""
    found = medians(turns, pick)
    names, who = list(dict.fromkeys(case for _, case in found)), list(dict.fromkeys(name for name, _ in found))
    figure, axes = plt.subplots(figsize=(8, 0.6 + 0.3 * len(found)))
    height = 0.8 / max(1, len(who))
    for place, name in enumerate(who):
        at = [row + place * height for row in range(len(names))]
        axes.barh(at, [found.get((name, case), 0.0) for case in names], height, label=name)
    axes.set_yticks([row + 0.4 - height / 2 for row in range(len(names))], names)
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel=label, xlim=(10 ** math.floor(math.log10(max(1.0, min(found.values())))), None))
    figure.legend(loc="outside right upper", fontsize=7)
    return figure


def sizing(turns: Turns) -> Figure:
    """Rates over sizes set by hand, and where the worker ended by itself; a plot for each model."""
    rates, rows = medians(turns, rate), medians(turns, lambda figures: float(figures["rows_of_a_batch"]))
    names = list(dict.fromkeys(case.partition(", ")[0] for _, case in rates))
    figure, both = plt.subplots(1, len(names), figsize=(5 * len(names), 3.6), squeeze=False)
    for axes, model in zip(both[0], names, strict=True):
        points = {
            case.partition(", ")[2]: (rows[who, case], rates[who, case])
            for who, case in rates
            if case.startswith(f"{model},")
        }
        learnt = points.pop("learnt", None)
        by_hand = sorted(points.values())
        axes.plot([x for x, _ in by_hand], [y for _, y in by_hand], "o-", color=_OTHER, label="set by hand")
        if by_hand:
            best = max(y for _, y in by_hand)
            axes.axhline(0.95 * best, color=_OTHER, linestyle=":", linewidth=1, label="95 % of the best by hand")
        if learnt is not None:
            axes.plot(*learnt, "D", color=_OWN, markersize=8, label=f"learnt: {learnt[0]:.0f} rows")
            axes.axvline(learnt[0], color=_OWN, linestyle=":", linewidth=1)
        sizes = [1, 8, 32, 64, 128, 256, 512]
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.set(ylim=(0, None), xlabel="rows of a batch", ylabel="requests/s", title=model)
        axes.legend(loc="lower right")
    return figure


def rate(figures: Figures) -> float:
    """Of the one phase there is, whatever its width."""
    return float(figures["per_second"] if "per_second" in figures else peak(figures))


def drawn(turns: Turns) -> Iterator[tuple[str, Figure]]:
    """Each plot with its name, which begins with the part's; none of a part in which nobody could be measured."""
    turns = [turn for turn in turns if turn["figures"]]
    parts = {
        name: [turn for turn in turns if turn["part"] == name] for name in dict.fromkeys(turn["part"] for turn in turns)
    }
    for part in ("engines", "peers"):
        if parts.get(part):
            yield f"{part}-peaks", peaks(parts[part], part)
            yield f"{part}-widths", widths(parts[part])
    if parts.get("latency"):
        yield "latency", latency(parts["latency"])
    if parts.get("sizing"):
        yield "sizing", sizing(parts["sizing"])
    for part, unit in {
        "bulk": "rows/s",
        "models": "requests/s",
        "backlog": "requests/s",
        "popularity": "requests/s",
        "scaling": "requests/s",
    }.items():
        if parts.get(part):
            yield part, cases(parts[part], rate, unit)


def main() -> None:
    """Draw what there are figures for."""
    turns: Turns = json.loads(Path(sys.argv[1]).read_text())["turns"]
    for name, figure in drawn(turns):
        figure.savefig(Path(sys.argv[2]) / f"{name}.svg", metadata={"Date": None})
        plt.close(figure)
        print(f"{name}.svg")


if __name__ == "__main__":
    main()
