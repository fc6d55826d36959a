"""Whether the worker finds how large a batch should be: beside sizes that are set by hand."""

import urllib.request
from collections.abc import Sequence
from typing import Any

from contenders import predictq
from options import Options
from turn import Turn

from measurements.case import Case, Part

__all__ = ["LEARNT", "MODELS_SIZED", "SIZES", "SIZING"]

MODELS_SIZED = ("logistic", "svc-30")
SIZES = (1, 8, 32, 64, 128, 256, 512)
LEARNT = "learnt"
_WIDTH = 2048
_METRICS = ("predictq_batch_rows_count", "predictq_batch_rows_sum", "predictq_predict_seconds_sum")


def _measure(options: Options) -> Any:  # noqa: ANN401  a function
    def measure(turn: Turn) -> dict[str, Any]:
        turn.start_workers()
        with turn.asker() as asker:
            told = {"in_flight": _WIDTH, "seconds": options.seconds}
            asker.measured("closed", **told, warm_up=options.warm_up)
            before = _batches(turn.port)
            figures: dict[str, Any] = asker.measured("closed", **told, warm_up=0.0)
            batches, rows, seconds = (now - then for now, then in zip(_batches(turn.port), before, strict=True))
            return {
                **figures,
                "rows_of_a_batch": rows / max(batches, 1.0),
                "seconds_of_a_batch": seconds / max(batches, 1.0),
            }

    return measure


def _batches(port: int) -> tuple[float, ...]:
    """How many there were, and how many rows and seconds of the model they had, since the worker began."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        lines = page.read().decode().splitlines()
    found = dict.fromkeys(_METRICS, 0.0)
    for line in lines:
        name = line.partition("{")[0]
        if name in found:
            found[name] += float(line.rpartition(" ")[2])
    return tuple(found.values())


def _cases(options: Options) -> Sequence[Case]:
    return [
        Case(
            predictq("Redis", "redis", "no", port="{port}", settings=settings),
            f"{model}, {size}",
            model,
            _measure(options),
        )
        for model in MODELS_SIZED
        for size, settings in ((LEARNT, {}), *((str(size), _fixed(size)) for size in SIZES))
    ]


def _fixed(size: int) -> dict[str, str]:
    return {"PREDICTQ_MAX_BATCH_ROWS": str(size), "PREDICTQ_TARGET_BATCH_SECONDS": "0"}


SIZING = Part("sizing", "How large a batch is", _cases, rounds=2)
