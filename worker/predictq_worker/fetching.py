"""Where a worker keeps what it fetched from a remote registry, and what it says while it fetches."""

import logging
from pathlib import Path
from typing import assert_never

from predictq_registry import Cache, Progress, Stage
from predictq_worker.settings import WorkerSettings

__all__ = ["make_cache"]

_logger = logging.getLogger(__name__)


def make_cache(settings: WorkerSettings) -> Cache:
    """The cache of a worker, shared with others of this user on this machine; it logs what it does."""
    return Cache(Path(settings.cache).expanduser() / "files", settings.cache_size, _tell)


def _tell(progress: Progress) -> None:
    about = {"sha256": progress.sha256, "bytes": progress.done, "of": progress.size}
    match progress.stage:
        case Stage.WAITING:
            _logger.info("another worker fetches this file", extra=about)
        case Stage.FETCHING:
            _logger.info("fetching a file", extra=about)
        case Stage.FETCHED:
            _logger.info("fetched a file", extra={**about, "took": progress.why})
        case Stage.UNCACHED:
            _logger.warning("the cache cannot be used", extra={**about, "why": progress.why})
        case _:
            assert_never(progress.stage)
