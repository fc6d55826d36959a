"""More runners, and more workers, on the machine that it is."""

from collections.abc import Sequence

from contenders import predictq
from options import Options

from measurements.case import Case, Part
from measurements.single_rows import closed

__all__ = ["COUNTS", "SCALING", "WIDTH"]

COUNTS = (1, 2, 4)
WIDTH = 2048
_ENGINES = ("SQLite", "Redis", "RabbitMQ")


def _cases(options: Options) -> Sequence[Case]:
    shapes = [(count, 1) for count in COUNTS] + [(1, count) for count in COUNTS if count > 1]
    return [
        Case(
            predictq(engine, engine.lower(), "no", runners=runners, workers=workers),
            f"{model}, {workers} x {runners}",
            model,
            closed((WIDTH,), options),
            2 if model == "logistic" and engine != "RabbitMQ" else 1,
        )
        for model in ("logistic", "forest")
        for runners, workers in shapes
        for engine in (_ENGINES if model == "logistic" else ("Redis",))  # the forest is what costs, on any of them
    ]


SCALING = Part("scaling", "With more runners and workers", _cases, rounds=2)
