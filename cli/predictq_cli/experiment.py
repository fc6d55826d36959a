"""`predictq experiment`: what an A/B experiment shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from predictq_cli.exits import Exit, Stop
from predictq_cli.options import DEFAULT_REGISTRY, Json, Model, RegistryUrl
from predictq_cli.output import table, write, write_json

if TYPE_CHECKING:
    from predictq_registry import Effect, Group

__all__ = ["build"]


def build() -> typer.Typer:
    """The group of commands."""
    group = typer.Typer(help="What an experiment shows.", epilog="Example: predictq experiment report iris")
    group.callback()(_nothing)
    group.command("report", epilog="Example: predictq experiment report iris --confidence 0.99")(report)
    return group


def _nothing() -> None:
    """What an experiment shows."""


def report(
    model: Model,
    *,
    began: Annotated[int, typer.Option(metavar="N", help="The revision it began with; the newest one if 0.")] = 0,
    confidence: Annotated[float, typer.Option(metavar="SHARE", help="How sure the interval is to be.")] = 0.95,
    registry: RegistryUrl = DEFAULT_REGISTRY,
    json: Json = False,
) -> None:
    """The mean outcome of each arm, and their difference with its interval. Look once, at the end."""
    from predictq_registry import CHALLENGER, CHAMPION, Registry, effect_of, group_of

    if not 0 < confidence < 1:
        raise Stop(Exit.USAGE, f"--confidence {confidence:g}: write a share between 0 and 1, such as 0.95")
    store = Registry(registry)
    store.versions(model)  # says so if there is no such model
    which = began or store.newest_experiment(model)
    segments = store.experiment(model, which).read() if which else []
    if not segments:
        raise Stop(Exit.FAILED, f"nothing is known of an experiment of {model!r}: predictq rollout ab {model} VERSION")
    champion, challenger = group_of(segments, CHAMPION), group_of(segments, CHALLENGER)
    effect = effect_of(champion, challenger, confidence)
    if json:
        write_json(_document(model, which, champion, challenger, effect))
        return
    lines = [_line("champion", champion), _line("challenger", challenger)]
    write(table(("arm", "requests", "outcomes", "keys", "mean"), lines))
    write(_said(effect, confidence))


def _line(arm: str, group: Group) -> tuple[object, ...]:
    return arm, group.exposed, group.outcomes, group.units, f"{group.mean:.4g}"


def _said(effect: Effect | None, confidence: float) -> str:
    if effect is None:
        return "too little is known yet: each arm needs outcomes of two keys"
    sign = "no difference is shown" if effect.low <= 0 <= effect.high else "the arms differ"
    interval = f"{confidence:.0%} interval {effect.low:+.4g} to {effect.high:+.4g}"
    return f"challenger - champion: {effect.difference:+.4g}, {interval}: {sign}"


def _document(model: str, began: int, champion: Group, challenger: Group, effect: Effect | None) -> dict[str, Any]:
    arms = {"champion": champion._asdict(), "challenger": challenger._asdict()}
    return {"model": model, "began": began, **arms, "effect": effect._asdict() if effect else None}
