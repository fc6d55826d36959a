"""`predictq rollout`: bring a version to an alias in steps, and take it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from predictq_cli.options import DEFAULT_REGISTRY, Json, Model, RegistryUrl
from predictq_cli.output import write, write_json
from predictq_cli.rollout_status import status

if TYPE_CHECKING:
    from predictq_registry import AliasChange, Registry

__all__ = ["build"]

PRODUCTION = "production"

Version = Annotated[int, typer.Argument(metavar="VERSION", help="The version to bring in: the challenger.")]
Alias = Annotated[str, typer.Option(metavar="NAME", help="Which alias it is to replace the version of.")]
Note = Annotated[str, typer.Option(metavar="TEXT", help="Why.")]
Pause = Annotated[float, typer.Option(metavar="SECONDS", help="How long each step lasts at least.")]


def build() -> typer.Typer:
    """The group of commands."""
    group = typer.Typer(
        help="Bring a version in by steps, and take it back.", epilog="Example: predictq rollout status iris"
    )
    group.command("status", epilog="Example: predictq rollout status iris --json")(status)
    group.command("recreate", epilog="Example: predictq rollout recreate iris 2")(recreate)
    group.command("rolling", epilog="Example: predictq rollout rolling iris 2 --pause 30")(rolling)
    group.command("promote", epilog="Example: predictq rollout promote iris")(promote)
    group.command("rollback", epilog="Example: predictq rollout rollback iris --note 'too slow'")(rollback)
    return group


def recreate(  # noqa: PLR0913  a command's options are its arguments
    model: Model,
    version: Version,
    *,
    alias: Alias = PRODUCTION,
    note: Note = "",
    registry: RegistryUrl = DEFAULT_REGISTRY,
    json: Json = False,
) -> None:
    """Each worker stops taking, answers what it has, unloads, loads the version and goes on; requests wait."""
    _begin(model, alias, registry, note, json=json, strategy="recreate", version=version)


def rolling(  # noqa: PLR0913  a command's options are its arguments
    model: Model,
    version: Version,
    *,
    pause: Pause = 10.0,
    alias: Alias = PRODUCTION,
    note: Note = "",
    registry: RegistryUrl = DEFAULT_REGISTRY,
    json: Json = False,
) -> None:
    """One worker after the other changes over; when all have, the alias is moved."""
    _begin(model, alias, registry, note, json=json, strategy="rolling", version=version, pause=pause)


def promote(
    model: Model,
    *,
    alias: Alias = PRODUCTION,
    note: Note = "",
    registry: RegistryUrl = DEFAULT_REGISTRY,
    json: Json = False,
) -> None:
    """Let the alias name the challenger now, whatever was still to come."""
    from predictq_cli.exits import Exit, Stop

    store = _open(registry)
    rollout = store.route(model, alias).rollout
    if rollout is None or rollout.strategy == "recreate":
        raise Stop(Exit.FAILED, f"nothing is being rolled out to {alias!r} of {model!r}")
    change = store.carry_on(model, alias, rollout, "promote", note=note)
    if change is None:
        raise Stop(Exit.FAILED, "the rollout went on meanwhile; look again: predictq rollout status")
    _say(model, change, json=json)


def rollback(
    model: Model,
    *,
    alias: Alias = PRODUCTION,
    note: Note = "",
    registry: RegistryUrl = DEFAULT_REGISTRY,
    json: Json = False,
) -> None:
    """Stop the rollout, and all requests are the champion's again; without one, the alias names what it did before."""
    _say(model, _open(registry).rollback(model, alias, note=note), json=json)


def _begin(model: str, alias: str, registry: str, note: str, *, json: bool, **plan: Any) -> None:  # noqa: ANN401  its fields
    from predictq_registry import Rollout

    _say(model, _open(registry).roll_out(model, alias, Rollout(**plan), note=note), json=json)


def _open(url: str) -> Registry:
    from predictq_registry import Registry

    return Registry(url)


def _say(model: str, change: AliasChange, *, json: bool) -> None:
    if json:
        write_json({"model": model, **change.model_dump()})
        return
    told = {
        "begin": f"the rollout to {change.alias} has begun; see: predictq rollout status {model}",
        "stop": f"the rollout to {change.alias} has ended, which stays version {change.version}",
    }
    moved = f"{change.alias} is version {change.version} now (was {change.previous})"
    write(f"{model}: {told.get(change.action, moved)}; workers follow within a second")
