"""`predictq rollout compare`: what champion and challenger said to the same requests."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads it
from typing import TYPE_CHECKING, Annotated

import typer

from predictq_cli.exits import Exit, Stop
from predictq_cli.options import DEFAULT_REGISTRY, Json, Model, RegistryUrl
from predictq_cli.output import table, write, write_json

if TYPE_CHECKING:
    from predictq_registry import Comparison, Registry

__all__ = ["compare"]


def compare(
    model: Model,
    *,
    began: Annotated[int, typer.Option(metavar="N", help="The revision it began with; the newest rollout if 0.")] = 0,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw it, too, as SVG.")] = None,
    registry: RegistryUrl = DEFAULT_REGISTRY,
    json: Json = False,
) -> None:
    """How often a challenger that was asked the same agrees with the champion, and where it differs most."""
    from predictq_registry import Registry

    found = _found(Registry(registry), model, began)
    if plot is not None:
        from predictq_cli.plot import drawn

        plot.write_text(drawn(found, f"{model}: {_agreement(found)}"), encoding="utf-8")
    if json:
        write_json({"model": model, **found.model_dump()})
        return
    write(f"{model}: {_agreement(found)}")
    write(f"mean difference {found.distance / found.compared:.4g}; failed {found.failed}, not copied {found.dropped}")
    if found.worst:
        write("differing most:")
        lines = [(pair.id, f"{pair.distance:.4g}", pair.champion, pair.challenger) for pair in found.worst]
        write(table(("request", "difference", "champion", "challenger"), lines))


def _found(store: Registry, model: str, began: int) -> Comparison:
    from predictq_registry import together

    store.versions(model)  # says so if there is no such model
    which = began or store.newest_rollout(model)
    found = together(store.observations(model, which).read()).comparison
    if not found.compared:
        raise Stop(Exit.FAILED, f"nothing of {model!r} was compared yet: predictq rollout shadow {model} VERSION")
    return found


def _agreement(found: Comparison) -> str:
    agreeing = found.compared - found.differing
    return f"they agree in {agreeing} of {found.compared} requests ({agreeing / found.compared:.1%})"
