"""A rolling rollout: whose turn it is to change over, agreed on through the document alone."""

from typing import Final

from predictq_registry import Rollout, Verdict

__all__ = ["next_turn"]

_SILENCE: Final = 3.0
"""Seconds in which nobody wants the next turn, after which all have had theirs."""


def next_turn(rollout: Rollout, worker: str, *, serving: bool, waited: float, patience: float) -> Verdict | None:
    """What that worker has to say to a rolling rollout; None: nothing now.

    Each worker takes its turn by writing its name into the next revision, which only one can do; loads the
    challenger, and writes that it has changed over. Nobody needs to know how many workers there are: when nobody
    takes the next turn, all have had theirs.

    Args:
        rollout: How far it is.
        worker: Who asks.
        serving: Whether the challenger serves there.
        waited: Seconds since the rollout has been so far.
        patience: Seconds after which a worker that has not changed over has lost its turn.
    """
    if rollout.turn == worker:
        moved = (*rollout.moved, worker)
        return Verdict(_with(rollout, moved=moved, turn=""), f"{worker} has changed over") if serving else None
    if rollout.turn:
        lost = f"{rollout.turn} has not changed over within {patience:g} s and lost its turn"
        return Verdict(_with(rollout, turn=""), lost) if waited > patience else None
    if worker not in rollout.moved:
        due = waited >= rollout.pause or not rollout.moved
        return Verdict(_with(rollout, turn=worker), f"it is the turn of {worker}") if due else None
    if waited >= rollout.pause + _SILENCE:
        return Verdict("promote", f"all {len(rollout.moved)} workers have changed over")
    return None


def _with(rollout: Rollout, **changed: object) -> Rollout:
    return rollout.model_copy(update=changed)
