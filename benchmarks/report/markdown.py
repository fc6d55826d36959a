"""Tables and numbers in Markdown."""

from collections.abc import Callable, Iterable, Sequence

from report.results import Spread

__all__ = ["count", "cut", "milliseconds", "ranged", "table", "times"]

Form = Callable[[float], str]


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The first column is text, the others are numbers."""
    lines = [list(columns), ["---", *["--:"] * (len(columns) - 1)], *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def count(value: float) -> str:
    """Three digits that count, in groups."""
    digits = max(0, len(f"{abs(value):.0f}") - 3)
    return f"{round(value, -digits):,.0f}" if value >= 100 else f"{value:.3g}"


def milliseconds(seconds: float) -> str:
    """Of seconds."""
    value = seconds * 1000
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def times(value: float) -> str:
    """A ratio."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def ranged(spread: Spread | None, form: Form) -> str:
    """The median, and the least and the most, if there was more than one round."""
    if spread is None:
        return "-"
    if spread.least == spread.most:
        return form(spread.median)
    return f"{form(spread.median)} ({form(spread.least)}-{form(spread.most)})"


def cut(spread: Spread | None, form: Form) -> str:
    """The median alone."""
    return "-" if spread is None else form(spread.median)
