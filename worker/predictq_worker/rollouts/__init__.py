"""Releases on their way to an alias: who answers which request meanwhile, and what comes of it."""

from predictq_worker.rollouts.recreate import Recreations
from predictq_worker.rollouts.rollouts import Rollouts

__all__ = ["Recreations", "Rollouts"]
