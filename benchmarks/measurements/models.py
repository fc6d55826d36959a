"""Other models, one row a request, beside `predict` on batches of 512 in the process that asks."""

from collections.abc import Sequence

from contenders import ENGINES, LIMITS, PLAIN
from options import Options

from measurements.case import Case, Part
from measurements.single_rows import closed

__all__ = ["MODELS", "NAMES", "WIDTH"]

NAMES = ("logistic", "forest", "boosting", "text")
WIDTH = 2048
_IN_PROCESS = next(who for who in LIMITS if who.name == "in process")


def _cases(options: Options) -> Sequence[Case]:
    asked = [*(who for who in ENGINES if who.server in PLAIN), _IN_PROCESS]
    return [Case(who, model, model, closed((WIDTH,), options)) for model in NAMES for who in asked]


MODELS = Part("models", "Other models", _cases, rounds=2)
