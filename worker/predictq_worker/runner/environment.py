"""What of the worker's environment a runner may see: an allow-list, so that no credential ever reaches a model."""

import os
from collections.abc import Iterable, Mapping
from typing import Final

from predictq_broker.failpoints import VARIABLE

__all__ = ["runner_environment"]

_ALLOWED: Final = frozenset(
    {"PATH", "LD_LIBRARY_PATH", "HOME", "TMPDIR", "TZ", "LANG", "LANGUAGE", "VIRTUAL_ENV", VARIABLE}
)
_ALLOWED_PREFIX: Final = "LC_"
_THREAD_COUNTS: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
)


def runner_environment(environ: Mapping[str, str], import_path: Iterable[str], threads: int) -> dict[str, str]:
    """The environment of the nursery and so of every runner.

    Args:
        environ: The worker's own.
        import_path: Where the worker finds its modules, so that its children find the same ones.
        threads: How many threads BLAS, OpenMP and joblib may use in one runner.
    """
    kept = {name: value for name, value in environ.items() if name in _ALLOWED or name.startswith(_ALLOWED_PREFIX)}
    counts = dict.fromkeys(_THREAD_COUNTS, str(threads))
    return kept | counts | {"PYTHONPATH": os.pathsep.join(path for path in import_path if path)}
