"""`predictq listen`: read a durable result queue."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from predictq_cli.options import DEFAULT_BROKER, BrokerUrl, Json
from predictq_cli.output import json_line, plain, write, write_bytes
from predictq_cli.values import listed

if TYPE_CHECKING:
    from predictq import ResultMessage

__all__ = ["EXAMPLE", "listen"]

EXAMPLE = "Example: predictq listen nightly --json --idle 60 > results.jsonl"

_PREFETCH = 100


def listen(
    queue: Annotated[str, typer.Argument(metavar="QUEUE", help="The name given as reply_to when asking.")],
    *,
    limit: Annotated[int | None, typer.Option(metavar="N", min=1, help="Leave after so many results.")] = None,
    idle: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0, help="Leave when none has come for so long.")
    ] = None,
    broker: BrokerUrl = DEFAULT_BROKER,
    json: Json = False,
) -> None:
    """Print results as they come, and acknowledge each once it is printed; several listeners share a queue.

    A result that could not be printed, because the reader of a pipe has gone, comes again.
    """
    from predictq import Subscriber
    from predictq_broker import connect

    with connect(broker) as channel:
        channel.models()  # a subscriber would wait for a broker that is away; whoever types a wrong URL wants to know
        prefetch = min(limit or _PREFETCH, _PREFETCH)
        with Subscriber(queue=queue, prefetch=prefetch, broker=channel) as subscriber:
            for message in islice(subscriber.take(idle), limit):
                if json:
                    write_bytes(json_line(_document(message)))
                else:
                    write(_line(message))
                message.ack()


def _document(message: ResultMessage) -> dict[str, Any]:
    told: dict[str, Any] = {"id": message.id, "status": message.status, "model": message.model}
    told |= {"version": message.version, "digest": message.digest, "attempt": message.attempt}
    if message.error is not None:
        return {**told, "error": str(message.error)}
    return {**told, "timings": message.timings._asdict(), "outputs": listed(message.outputs)}


def _line(message: ResultMessage) -> str:
    release = f"{message.model} version {message.version}" if message.version else message.model
    told = str(message.error) if message.error is not None else json_line(listed(message.outputs)).decode().strip()
    return plain(f"{message.id}  {release}  {message.status}  {told}")
