"""`predictq queues`: how much waits, for how long, and who works on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from predictq_cli.known_models import known_models
from predictq_cli.options import DEFAULT_BROKER, DEFAULT_REGISTRY, BrokerUrl, Json, RegistryUrl
from predictq_cli.output import remark, table, write, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from predictq_broker import Broker

__all__ = ["EXAMPLE", "queues"]

EXAMPLE = "Example: predictq queues --broker redis://localhost:6379/0"

Models = Annotated[
    list[str] | None,
    typer.Argument(metavar="[MODEL]...", help="Only these; all that are known if left out.", show_default=False),
]


def queues(
    models: Models = None,
    *,
    broker: BrokerUrl = DEFAULT_BROKER,
    registry: RegistryUrl = DEFAULT_REGISTRY,
    json: Json = False,
) -> None:
    """The queue of every model: waiting, in flight, oldest, dead, and consumers.

    A broker that cannot list its queues (RabbitMQ) is asked for the models of the registry, or for those named.
    """
    from predictq_broker import connect

    with connect(broker) as channel:
        shown = models or _known(channel, registry)
        found: list[dict[str, Any]] = [{"model": model, **channel.stats(model)._asdict()} for model in shown]
    if json:
        write_json(found)
    elif not found:
        write("no queues yet; ask for a prediction: predictq predict MODEL ROWS")
    else:
        write(table(("model", "waiting", "in flight", "oldest", "dead", "consumers"), map(_line, found)))


def _known(channel: Broker, registry: str) -> Sequence[str]:
    models = known_models(channel, registry)
    if not channel.capabilities.lists_models:
        remark(f"this broker cannot list its queues: these are the models of {registry}; name others: queues MODEL...")
    return models


def _line(found: dict[str, Any]) -> tuple[object, ...]:
    oldest = f"{found['oldest']:.1f} s" if found["oldest"] else "-"
    in_flight = "-" if found["in_flight"] is None else found["in_flight"]
    return found["model"], found["queued"], in_flight, oldest, found["dead"], found["consumers"]
