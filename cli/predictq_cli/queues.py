"""`predictq queues`: how much waits, for how long, and who works on it."""

from typing import Any

from predictq_cli.options import DEFAULT_BROKER, BrokerUrl, Json
from predictq_cli.output import table, write, write_json

__all__ = ["EXAMPLE", "queues"]

EXAMPLE = "Example: predictq queues --broker redis://localhost:6379/0"


def queues(*, broker: BrokerUrl = DEFAULT_BROKER, json: Json = False) -> None:
    """The queue of every model: waiting, in flight, oldest, dead, and consumers."""
    from predictq_broker import connect

    with connect(broker) as channel:
        found: list[dict[str, Any]] = [{"model": model, **channel.stats(model)._asdict()} for model in channel.models()]
    if json:
        write_json(found)
    elif not found:
        write("no queues yet; ask for a prediction: predictq predict MODEL ROWS")
    else:
        write(table(("model", "waiting", "in flight", "oldest", "dead", "consumers"), map(_line, found)))


def _line(found: dict[str, Any]) -> tuple[object, ...]:
    oldest = f"{found['oldest']:.1f} s" if found["oldest"] else "-"
    in_flight = "-" if found["in_flight"] is None else found["in_flight"]
    return found["model"], found["queued"], in_flight, oldest, found["dead"], found["consumers"]
