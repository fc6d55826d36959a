"""From a package to a release that may serve: verified, loaded, checked against its golden rows, warmed up."""

import os
import time
import warnings
from collections.abc import Sequence

import orjson

from predictq_broker.messages import JSON
from predictq_registry import InvalidRelease, Loaded, Package, Trust, load
from predictq_worker.inference import Limits, predict_batch
from predictq_worker.inference.errors import describe, one_line
from predictq_worker.runner.errors import ReleaseRefused
from predictq_worker.runner.linux import private_of, rss_of
from predictq_worker.runner.messages import LoadReport

__all__ = ["load_release", "measured"]

_WARM_UP_SIZES = (1, 2, 32)
"""Batches to predict before the first request comes: models and BLAS choose other paths by size. The methods that a
release has beside its first do the same again as a rule, and once will do.
"""
_MOST_SENTENCES = 20


def load_release(package: Package, limits: Limits, trust: Trust | None = None) -> tuple[Loaded, LoadReport]:
    """The release in `package`, ready to serve, and what loading it showed but memory: the package is still held.
    `trust`: as `predictq_registry.load`.

    Raises:
        ReleaseRefused: if any step failed; it must get no traffic.
    """
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loaded = _checked(package, trust)
        _warm_up(loaded, limits)
    seconds = time.perf_counter() - start
    said = (*loaded.warnings, *(str(warning.message) for warning in caught))
    return loaded, LoadReport(seconds, 0, 0, _told(said), _told(loaded.differences))


def measured(report: LoadReport) -> LoadReport:
    """The report with what this process holds now."""
    return report._replace(rss=rss_of(os.getpid()), memory=private_of(os.getpid()) or 0)


def _checked(package: Package, trust: Trust | None) -> Loaded:
    try:
        loaded = load(package, trust)
        loaded.check_golden()
    except InvalidRelease as error:
        raise ReleaseRefused(str(error)) from error
    except MemoryError as error:
        raise ReleaseRefused("it needs more memory than a runner may have (PREDICTQ_RUNNER_MEMORY)") from error
    except BaseException as error:  # unpickling runs the artefact's code, which may raise anything
        raise ReleaseRefused(f"loading it failed: {describe(error)}") from error
    else:
        return loaded


def _warm_up(loaded: Loaded, limits: Limits) -> None:
    """Answer the golden rows as if they were requests; their answers were judged already."""
    golden = loaded.manifest.golden
    if golden is None or not golden.rows:
        return
    bodies = [orjson.dumps([row]) for row in golden.rows]
    first, *others = loaded.manifest.methods
    for method, sizes in ((first, _WARM_UP_SIZES), *((other, _WARM_UP_SIZES[:1]) for other in others)):
        for size in sizes:
            repeated = [bodies[index % len(bodies)] for index in range(size)]
            predict_batch(loaded, method, JSON, repeated, limits)


def _told(sentences: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(one_line, sentences)))[:_MOST_SENTENCES]
