"""`predictq rollout`: bring a version to an alias in steps, and take it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from predictq_cli.compare import compare
from predictq_cli.exits import Exit, Stop
from predictq_cli.options import DEFAULT_REGISTRY, Json, Model, RegistryUrl
from predictq_cli.output import write, write_json
from predictq_cli.rollout_status import status

if TYPE_CHECKING:
    from pydantic import ValidationError

    from predictq_registry import AliasChange, Registry

__all__ = ["build"]

PRODUCTION = "production"
_COPIED = 0.2
"""The share of the champion's requests that a canary gets a copy of, where disagreement is looked at."""

Plan = dict[str, Any]

Version = Annotated[int, typer.Argument(metavar="VERSION", help="The version to bring in: the challenger.")]
Alias = Annotated[str, typer.Option(metavar="NAME", help="Which alias it is to replace the version of.")]
Note = Annotated[str, typer.Option(metavar="TEXT", help="Why.")]
Least = Annotated[int, typer.Option(metavar="N", help="How many answers of the challenger each step needs at least.")]
Errors = Annotated[float, typer.Option(metavar="SHARE", help="Guard: how much larger its share of errors may be.")]
Slower = Annotated[float, typer.Option(metavar="TIMES", help="Guard: how many times as long its batches may take.")]
Outputs = Annotated[float, typer.Option(metavar="SHARE", help="Guard: how far its outputs may be distributed apart.")]
Memory = Annotated[float, typer.Option(metavar="TIMES", help="Guard: how many times as much memory it may hold.")]
Guarded = Annotated[bool, typer.Option("--guards/--no-guards", help="Whether it is stopped by itself.")]
Pause = Annotated[float, typer.Option(metavar="SECONDS", help="How long each step lasts at least.")]


def build() -> typer.Typer:
    """The group of commands."""
    group = typer.Typer(
        help="Bring a version in by steps, and take it back.", epilog="Example: predictq rollout status iris"
    )
    group.command("status", epilog="Example: predictq rollout status iris --json")(status)
    group.command("recreate", epilog="Example: predictq rollout recreate iris 2")(recreate)
    group.command("rolling", epilog="Example: predictq rollout rolling iris 2 --pause 30")(rolling)
    group.command("canary", epilog="Example: predictq rollout canary iris 2 --steps 0.05,0.2,0.5 --pause 60")(canary)
    group.command("ab", epilog="Example: predictq rollout ab iris 2 --share 0.5")(ab)
    group.command("shadow", epilog="Example: predictq rollout shadow iris 2 --share 0.1")(shadow)
    group.command("compare", epilog="Example: predictq rollout compare iris --plot iris.svg")(compare)
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
    guards: Guarded = True,
    alias: Alias = PRODUCTION,
    note: Note = "",
    registry: RegistryUrl = DEFAULT_REGISTRY,
    json: Json = False,
) -> None:
    """One worker after the other changes over; when all have, the alias is moved."""
    plan: Plan = {"pause": pause, "guards": {} if guards else None}
    _begin(model, alias, registry, note, json=json, strategy="rolling", version=version, **plan)


def canary(  # noqa: PLR0913  a command's options are its arguments
    model: Model,
    version: Version,
    *,
    steps: Annotated[str, typer.Option(metavar="SHARE,…", help="What share of the keys it gets, step by step.")] = (
        "0.05,0.2,0.5"
    ),
    pause: Pause = 60.0,
    least: Least = 100,
    guards: Guarded = True,
    errors: Errors = 0.02,
    slower: Slower = 2.0,
    outputs: Outputs = 0.25,
    disagreement: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Guard: how often it may differ, asked the same."),
    ] = None,
    memory: Memory = 3.0,
    alias: Alias = PRODUCTION,
    note: Note = "",
    registry: RegistryUrl = DEFAULT_REGISTRY,
    json: Json = False,
) -> None:
    """A growing share of the keys is the challenger's, until it is promoted, or a guard stops it and says why."""
    share, *rest = _shares(steps)
    limits = {"errors": errors, "slower": slower, "outputs": outputs, "disagreement": disagreement, "memory": memory}
    plan: Plan = {"share": share, "steps": rest, "pause": pause, "least": least, "guards": limits if guards else None}
    plan["mirror"] = _COPIED if guards and disagreement is not None else 0.0
    _begin(model, alias, registry, note, json=json, strategy="canary", version=version, **plan)


def ab(  # noqa: PLR0913  a command's options are its arguments
    model: Model,
    version: Version,
    *,
    share: Annotated[float, typer.Option(metavar="SHARE", help="The share of the keys that it gets.")] = 0.5,
    guards: Guarded = True,
    alias: Alias = PRODUCTION,
    note: Note = "",
    registry: RegistryUrl = DEFAULT_REGISTRY,
    json: Json = False,
) -> None:
    """A share of the keys is the challenger's until you say otherwise; see: predictq experiment report."""
    limits = {"outputs": None} if guards else None  # that it answers otherwise is the point
    plan: Plan = {"share": share, "guards": limits}
    _begin(model, alias, registry, note, json=json, strategy="ab", version=version, **plan)


def shadow(  # noqa: PLR0913  a command's options are its arguments
    model: Model,
    version: Version,
    *,
    share: Annotated[float, typer.Option(metavar="SHARE", help="Of how many requests it gets a copy.")] = 1.0,
    guards: Guarded = True,
    alias: Alias = PRODUCTION,
    note: Note = "",
    registry: RegistryUrl = DEFAULT_REGISTRY,
    json: Json = False,
) -> None:
    """The challenger is asked the same when there is time, and answers nobody; see: predictq rollout compare."""
    plan: Plan = {"mirror": share, "guards": {} if guards else None}
    _begin(model, alias, registry, note, json=json, strategy="shadow", version=version, **plan)


def _shares(text: str) -> list[float]:
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError:
        shares = []
    if not shares or shares != sorted(set(shares)) or not 0 < shares[0] <= shares[-1] <= 1:
        raise Stop(Exit.USAGE, f"--steps {text!r}: write shares that grow, between 0 and 1, such as 0.05,0.2,0.5")
    return shares


def promote(
    model: Model,
    *,
    alias: Alias = PRODUCTION,
    note: Note = "",
    registry: RegistryUrl = DEFAULT_REGISTRY,
    json: Json = False,
) -> None:
    """Let the alias name the challenger now, whatever was still to come."""
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
    from pydantic import ValidationError

    from predictq_registry import Rollout

    try:
        rollout = Rollout.model_validate(plan)
    except ValidationError as error:
        raise Stop(Exit.USAGE, "; ".join(_complaints(error))) from error
    _say(model, _open(registry).roll_out(model, alias, rollout, note=note), json=json)


def _complaints(error: ValidationError) -> list[str]:
    """One for each option that is not what it should be."""
    named = {"mirror": "share"}
    found = [(str(wrong["loc"][-1]), wrong["input"], wrong["msg"]) for wrong in error.errors(include_url=False)]
    return [f"--{named.get(field, field)} {given}: {told}" for field, given, told in found]


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
