"""Why a route answers nobody."""

from predictq_worker.cold_routes import Target
from predictq_worker.deployment import Deployment, State
from predictq_worker.refusals import Refusals

__all__ = ["trouble"]


def trouble(target: Target, deployment: Deployment | None, refusals: Refusals) -> str:
    """One sentence; empty if it can answer."""
    model, ref = target
    if deployment is None:
        why = refusals.last(model)
        return f"{model}@{ref} is not loaded{': ' + why if why else ''}"
    if deployment.state is not State.SERVING:
        return f"{model}@{ref} is {deployment.state.value}"
    return "" if deployment.alive else f"{model}@{ref} has no living runner"
