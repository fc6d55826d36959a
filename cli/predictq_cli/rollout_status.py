"""`predictq rollout status`: how far a rollout is, what was seen of it, and what was done and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from predictq_cli.options import DEFAULT_REGISTRY, Json, Model, RegistryUrl
from predictq_cli.output import bytes_of, plain, table, write, write_json

if TYPE_CHECKING:
    from predictq_registry import AliasChange, Registry, Report, Rollout

__all__ = ["status"]


def status(
    model: Model,
    *,
    alias: Annotated[str, typer.Option(metavar="NAME", help="Of which alias.")] = "production",
    registry: RegistryUrl = DEFAULT_REGISTRY,
    json: Json = False,
) -> None:
    """How far the rollout is, and each change of the alias with its reason."""
    from predictq_registry import Registry

    store = Registry(registry)
    route, history = store.route(model, alias), store.history(model, alias)
    if json:
        write_json(_document(store, model, alias))
        return
    lines = [f"{model}: {alias} is version {route.version}"]
    if route.rollout is not None:
        lines += [f"  {_how_far(route.rollout)}"]
    write("\n".join(map(plain, lines)))
    if route.rollout is not None:
        write(_seen(_reports(store, model, route.rollout)))
    write("\n".join(map(plain, ["history, oldest first:", *(f"  {_told(change)}" for change in history)])))


def _document(store: Registry, model: str, alias: str) -> dict[str, Any]:
    route = store.route(model, alias)
    return {
        "model": model,
        "alias": alias,
        "version": route.version,
        "rollout": route.rollout.model_dump() if route.rollout else None,
        "reports": [report.model_dump() for report in _reports(store, model, route.rollout)],
        "history": [change.model_dump() for change in store.history(model, alias)],
    }


def _reports(store: Registry, model: str, rollout: Rollout | None) -> list[Report]:
    return store.observations(model, rollout.began).read() if rollout is not None else []


def _seen(reports: list[Report]) -> str:
    """What each worker says of both arms; those that may not write to the registry say nothing."""
    if not reports:
        return "no worker has reported yet: one that serves the model and may write to the registry does so at once"
    lines = [
        (report.worker, name, arm.answers, arm.errors, bytes_of(arm.memory), report.comparison.compared)
        for report in reports
        for name, arm in (("champion", report.champion), ("challenger", report.challenger))
    ]
    return table(("worker", "arm", "answers", "errors", "memory", "compared"), lines)


def _how_far(rollout: Rollout) -> str:
    match rollout.strategy:
        case "recreate":
            return f"recreate: in place of version {rollout.replaces}"
        case "rolling":
            moved = f"{len(rollout.moved)} workers have changed over"
            return f"rolling: version {rollout.version}; {moved}" + (f", turn of {rollout.turn}" * bool(rollout.turn))
        case "shadow":
            return f"shadow: version {rollout.version} gets a copy of {rollout.mirror:.0%}"
        case "canary" | "ab":
            left = "".join(f" -> {share:.0%}" for share in rollout.steps)
            return f"{rollout.strategy}: version {rollout.version} answers {rollout.share:.0%}{left}"


def _told(change: AliasChange) -> str:
    before = f"{change.previous} -> " if change.previous not in {None, change.version} else ""
    note = f": {change.note}" if change.note else ""
    return f"{change.at}  {before}{change.version}  {change.action} by {change.author}{note}"
