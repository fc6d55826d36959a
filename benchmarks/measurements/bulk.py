"""Many rows at once: `client.map`, a thousand rows in a request, beside `predict` on the same chunks."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from contenders import ENGINES, LIMITS, PLAIN, REDIS, Contender
from options import Options
from turn import Turn

from measurements.case import Case, Part

__all__ = ["BULK", "CHUNK"]

CHUNK = 1000
_IN_PROCESS = next(who for who in LIMITS if who.name == "in process")
_ASKED = (
    *(("logistic", form) for form in ("npy", "json")),
    *(("logistic-30", form) for form in ("npy", "json")),
    *(("logistic-300", form) for form in ("npy", "json")),
    ("forest-30", "npy"),
)
_QUICK = (("logistic-30", "npy"), ("logistic-30", "json"), ("forest-30", "npy"))


def _measure(model: str, form: str, options: Options) -> Callable[[Turn], Any]:
    def measure(turn: Turn) -> Any:  # noqa: ANN401  JSON
        turn.start_workers()
        with turn.asker(turn.contender.alone) as asker:
            told = {"model": model, "chunk": CHUNK, "form": form, "seconds": options.seconds}
            return asker.measured("call", method="bulk", **told)

    return measure


def _cases(options: Options) -> Sequence[Case]:
    return [
        Case(who, f"{model} {form}", model, _measure(model, form, options), 3 if model.endswith("-30") else 2)
        for model, form in (_QUICK if options.quick else _ASKED)
        for who in _asked_for(model, form)
    ]


def _asked_for(model: str, form: str) -> Iterator[Contender]:
    """What a flush costs shows in thirty columns: it goes by bytes."""
    for who in ENGINES:
        if who is REDIS or model == "logistic-30" or (who.server in PLAIN and model != "forest-30"):
            yield who
    if form == "npy":
        yield _IN_PROCESS


BULK = Part("bulk", "Many rows at once", _cases)
