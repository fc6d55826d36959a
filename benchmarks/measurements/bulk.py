"""Many rows at once: `client.map` beside `predict` on the same chunks."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from contenders import ENGINES, LIMITS, PLAIN, REDIS, Contender
from options import Options
from turn import Turn

from measurements.case import Case, Part

__all__ = ["BULK", "FOREST", "LOGISTIC", "SMALL"]

_IN_PROCESS = next(who for who in LIMITS if who.name == "in process")


class Bulk(NamedTuple):
    """What is asked: rows of a model, in a form, so many in each request."""

    model: str
    form: str
    chunk: int

    @property
    def case(self) -> str:
        """Its name on the page."""
        return f"{self.model} {self.form}, {self.chunk:,} rows"


LOGISTIC = Bulk("logistic-30", "npy", 4096)
SMALL = LOGISTIC._replace(chunk=1000)
FOREST = Bulk("forest-30", "npy", 4096)
_ASKED = (  # as `map` cuts them if it is not told, but for SMALL
    Bulk("logistic", "npy", 4096),
    Bulk("logistic", "json", 1000),
    LOGISTIC,
    SMALL,
    Bulk("logistic-30", "json", 1000),
    Bulk("logistic-300", "npy", 436),
    Bulk("logistic-300", "json", 1000),
    FOREST,
)
_QUICK = (LOGISTIC, Bulk("logistic-30", "json", 1000), FOREST)


def _measure(bulk: Bulk, options: Options) -> Callable[[Turn], Any]:
    def measure(turn: Turn) -> Any:  # noqa: ANN401  JSON
        turn.start_workers()
        with turn.asker(turn.contender.alone) as asker:
            return asker.measured("call", method="bulk", **bulk._asdict(), seconds=options.seconds)

    return measure


def _cases(options: Options) -> Sequence[Case]:
    return [
        Case(who, bulk.case, bulk.model, _measure(bulk, options), 3 if bulk.model.endswith("-30") else 2)
        for bulk in (_QUICK if options.quick else _ASKED)
        for who in _asked_for(bulk)
    ]


def _asked_for(bulk: Bulk) -> Iterator[Contender]:
    """What a flush costs shows in thirty columns: it goes by bytes."""
    everybody = bulk.model == "logistic-30" and bulk is not SMALL
    for who in ENGINES:
        if who is REDIS or everybody or (who.server in PLAIN and bulk not in {SMALL, FOREST}):
            yield who
    if bulk.form == "npy":
        yield _IN_PROCESS


BULK = Part("bulk", "Many rows at once", _cases)
