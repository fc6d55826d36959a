"""Rows a second of whoever answers a matrix in chunks."""

import time
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["measure"]

_ROWS = 50_000


def measure(answer: Callable[[Any, int, str], Iterator[Any]], **told: Any) -> dict[str, Any]:  # noqa: ANN401  JSON
    """Ask about fifty thousand rows again and again, for `seconds`; the labels are compared.

    `told`: `model` of `load.models`, `chunk` rows a request, `form` npy or json, `seconds`.
    """
    import numpy as np
    from load.models import rows, train

    sample = np.array(rows(told["model"]))
    matrix = np.tile(sample, (-(-_ROWS // len(sample)), 1))[:_ROWS]
    right = train(told["model"]).predict(matrix)
    next(answer(matrix, told["chunk"], told["form"]))  # the first chunk warms up
    began, count, wrong = time.perf_counter(), 0, 0
    while time.perf_counter() - began < told["seconds"]:
        for outputs in answer(matrix, told["chunk"], told["form"]):
            place = count % _ROWS
            wrong += int((np.asarray(outputs) != right[place : place + len(outputs)]).sum())
            count += len(outputs)
    seconds = time.perf_counter() - began
    return {"rows_per_second": count / seconds, "rows": count, "wrong": wrong, "seconds": seconds}
