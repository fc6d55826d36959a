"""What the settings allow a runner to do, and whom it trusts; said at the start."""

import logging

from predictq_registry import Demand, Trust
from predictq_worker.memory import default_budget
from predictq_worker.runner import Allowance, Nursery
from predictq_worker.settings import WorkerSettings

__all__ = ["make_nursery"]

_logger = logging.getLogger(__name__)


def make_nursery(settings: WorkerSettings) -> Nursery:
    """The nursery of a worker.

    Raises:
        InvalidKey: if a trusted key cannot be read.
        ValueError: if keys are trusted and unsigned releases allowed.
    """
    trust = Trust.of(settings.trust, allow_unsigned=settings.allow_unsigned)
    _tell(trust)
    memory = settings.runner_memory or default_budget()
    fixed = None if trust.demand is Demand.CODE else trust  # this user's own key may yet be made
    return Nursery(settings.threads, allowance=Allowance(memory, settings.runner_cpus), trust=fixed)


def _tell(trust: Trust) -> None:
    keys = [key.id for key in trust.keys]
    match trust.demand:
        case Demand.EVERY:
            _logger.info("every release must be signed", extra={"trusted": keys})
        case Demand.CODE:
            _logger.info("releases that run code must be signed", extra={"trusted": keys})
        case Demand.NONE:
            _logger.warning("unsigned releases may run their code", extra={"because": "allow_unsigned"})
