"""`predictq dead`: requests that were set aside, to be looked at, tried again or forgotten."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from predictq_cli.exits import Exit, Stop
from predictq_cli.options import DEFAULT_BROKER, BrokerUrl, Json, Model
from predictq_cli.output import bytes_of, plain, table, write, write_json

if TYPE_CHECKING:
    from collections.abc import Collection

    from predictq_broker import DeadLetter

__all__ = ["build"]

Tags = Annotated[list[str] | None, typer.Argument(metavar="[TAG]...", help="Which, as `dead list` names them.")]
All = Annotated[bool, typer.Option("--all", help="All of the model's dead letters.")]

_SHOWN_BYTES = 2000


def build() -> typer.Typer:
    """The group of commands."""
    group = typer.Typer(help="Requests that were set aside: list, show, replay, purge.", no_args_is_help=True)
    group.command("list", epilog="Example: predictq dead list iris")(list_letters)
    group.command("show", epilog="Example: predictq dead show iris 1700000000000-0")(show)
    group.command("replay", epilog="Example: predictq dead replay iris --all")(replay)
    group.command("purge", epilog="Example: predictq dead purge iris 1700000000000-0")(purge)
    return group


def list_letters(
    model: Model,
    *,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, oldest first.")] = 100,
    broker: BrokerUrl = DEFAULT_BROKER,
    json: Json = False,
) -> None:
    """A model's dead letters, oldest first, with the reason of each."""
    from predictq_broker import connect

    with connect(broker) as channel:
        letters = channel.dead(model).list(limit)
    if json:
        write_json([_document(letter, body=False) for letter in letters])
    elif not letters:
        write(f"no dead letters of {model}")
    else:
        write(table(("tag", "died", "attempts", "rows", "reason"), map(_line, letters)))


def _line(letter: DeadLetter) -> tuple[object, ...]:
    return letter.tag, _when(letter.died), letter.attempts, letter.request.rows, letter.reason


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _document(letter: DeadLetter, *, body: bool) -> dict[str, Any]:
    request = letter.request
    told: dict[str, Any] = {
        "tag": letter.tag,
        "id": request.id,
        "model": request.model,
        "ref": request.ref,
        "method": request.method,
        "rows": request.rows,
        "bytes": len(request.body),
        "content_type": request.content_type,
        "reply_to": request.reply_to,
        "attempts": letter.attempts,
        "reason": letter.reason,
        "died": letter.died,
    }
    return {**told, "body": request.body.decode(errors="replace")} if body else told


def show(
    model: Model,
    tag: Annotated[str, typer.Argument(metavar="TAG", help="As `dead list` names it.")],
    *,
    broker: BrokerUrl = DEFAULT_BROKER,
    json: Json = False,
) -> None:
    """One dead letter with its body."""
    from predictq_broker import connect

    with connect(broker) as channel:
        letter = channel.dead(model).show(tag)
    if letter is None:
        raise _no_such(model, tag)
    if json:
        write_json(_document(letter, body=True))
        return
    told = {**_document(letter, body=False), "died": _when(letter.died), "bytes": bytes_of(len(letter.request.body))}
    for name, value in told.items():
        write(f"{name:<13} {plain(value)}")
    body = letter.request.body[:_SHOWN_BYTES].decode(errors="replace")
    rest = "" if len(letter.request.body) <= _SHOWN_BYTES else " … (all of it with --json)"
    write(f"{'body':<13} {plain(body)}{rest}")


def _no_such(model: str, tag: str) -> Stop:
    return Stop(Exit.FAILED, f"{model} has no dead letter {tag!r}; see: predictq dead list {model}")


def replay(
    model: Model, tags: Tags = None, *, every: All = False, broker: BrokerUrl = DEFAULT_BROKER, json: Json = False
) -> None:
    """Put dead letters back into the queue with a fresh count of attempts."""
    from predictq_broker import connect

    chosen = _chosen(tags, every=every)
    with connect(broker) as channel:
        count = channel.dead(model).replay(chosen)
    _say("replayed", model, chosen, count, json=json)


def purge(
    model: Model, tags: Tags = None, *, every: All = False, broker: BrokerUrl = DEFAULT_BROKER, json: Json = False
) -> None:
    """Forget dead letters for good."""
    from predictq_broker import connect

    chosen = _chosen(tags, every=every)
    with connect(broker) as channel:
        count = channel.dead(model).purge(chosen)
    _say("purged", model, chosen, count, json=json)


def _chosen(tags: list[str] | None, *, every: bool) -> Collection[str] | None:
    """The tags, or None for all; never all by accident."""
    if every == bool(tags):
        raise Stop(Exit.USAGE, "name the dead letters by their tags, or say --all")
    return None if every else tags


def _say(done: str, model: str, chosen: Collection[str] | None, count: int, *, json: bool) -> None:
    if json:
        write_json({"model": model, done: count})
    else:
        write(f"{done} {count} of {model}")
    if chosen is not None and count < len(set(chosen)):
        raise Stop(
            Exit.FAILED, f"{len(set(chosen)) - count} of the tags are not there; see: predictq dead list {model}"
        )
