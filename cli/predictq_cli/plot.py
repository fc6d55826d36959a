"""A comparison as a picture: numbers as points about the diagonal, labels as a table of squares."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from predictq_registry import Comparison

__all__ = ["drawn"]

_SIDE: Final = 400
_EDGE: Final = 70
_MOST_LABELS: Final = 12


def drawn(found: Comparison, title: str) -> str:
    """The picture as SVG."""
    marks = _points(found.points) if found.points else _squares(found.labels)
    size = _SIDE + 2 * _EDGE
    middle = size / 2
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" font-family="sans-serif"',
            ' font-size="12">',
            f'<rect width="{size}" height="{size}" fill="white"/>',
            _text(middle, 30, title),
            f'<rect x="{_EDGE}" y="{_EDGE}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="#888"/>',
            *marks,
            _text(middle, size - 20, "champion"),
            f'<g transform="rotate(-90 20 {middle})">{_text(20, middle, "challenger")}</g>',
            "</svg>\n",
        ]
    )


def _points(points: tuple[tuple[float, float], ...]) -> Iterator[str]:
    numbers = [number for point in points for number in point]
    low, high = min(numbers), max(numbers)
    scale = _SIDE / (high - low) if high > low else 1.0
    far, near = _EDGE + _SIDE, _EDGE
    yield f'<line x1="{near}" y1="{far}" x2="{far}" y2="{near}" stroke="#bbb"/>'
    for champion, challenger in points:
        x, y = near + (champion - low) * scale, far - (challenger - low) * scale
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#1f5fa8" fill-opacity="0.5"/>'
    yield _text(near, far + 18, f"{low:.4g}")
    yield _text(far, far + 18, f"{high:.4g}")


def _squares(labels: dict[str, int]) -> Iterator[str]:
    """Each as large as it is frequent; what they agree on lies on the diagonal."""
    pairs = {tuple(pair.split("\t", 1)): count for pair, count in labels.items() if "\t" in pair}
    names = sorted({name for pair in pairs for name in pair})[:_MOST_LABELS]
    if not names:
        return
    cell, most = _SIDE / len(names), max(pairs.values())
    for (champion, challenger), count in pairs.items():
        if champion not in names or challenger not in names:
            continue
        x = _EDGE + (names.index(champion) + 0.5) * cell
        y = _EDGE + _SIDE - (names.index(challenger) + 0.5) * cell
        side = 0.9 * cell * (count / most) ** 0.5
        colour = "#1f5fa8" if champion == challenger else "#c23b22"
        corner = f'x="{x - side / 2:.1f}" y="{y - side / 2:.1f}" width="{side:.1f}" height="{side:.1f}"'
        yield f'<rect {corner} fill="{colour}" fill-opacity="0.6"/>'
        yield _text(x, y + 4, str(count))
    for place, name in enumerate(names):
        yield _text(_EDGE + (place + 0.5) * cell, _EDGE + _SIDE + 18, name)
        yield _text(_EDGE - 25, _EDGE + _SIDE - (place + 0.5) * cell + 4, name)


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{escape(text[:60])}</text>'
