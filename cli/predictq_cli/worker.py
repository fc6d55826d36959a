"""`predictq worker`: serve models until told to stop."""

from __future__ import annotations

import os
from enum import StrEnum
from inspect import signature
from typing import TYPE_CHECKING, Annotated

import typer

from predictq_cli.exits import Exit, Stop
from predictq_cli.options import DEFAULT_BROKER, DEFAULT_REGISTRY, BrokerUrl, RegistryUrl

if TYPE_CHECKING:
    from pydantic import ValidationError

    from predictq_worker import WorkerSettings

__all__ = ["EXAMPLE", "worker"]

EXAMPLE = "Example: predictq worker --model iris --runners 2 --broker redis://localhost:6379/0"


class Level(StrEnum):
    """What a broker must survive, in the words of the command line."""

    NOTHING = "nothing"
    PROCESS_CRASH = "process-crash"
    POWER_LOSS = "power-loss"
    NODE_LOSS = "node-loss"


def worker(  # noqa: PLR0913  a command's options are its arguments
    *,
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A model to serve; may be repeated. '*', or none: whichever is asked for."),
    ] = None,
    runners: Annotated[int | None, typer.Option(metavar="N", help="Processes for each release [1].")] = None,
    threads: Annotated[int | None, typer.Option(metavar="N", help="BLAS and OpenMP threads of each [1].")] = None,
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="What releases may hold together, such as 4g (half of all).")
    ] = None,
    max_batch_rows: Annotated[int | None, typer.Option(metavar="N", help="Rows of a batch at most [512].")] = None,
    max_wait: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How long an idle runner waits for a batch to fill [0].")
    ] = None,
    http: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="/metrics, /livez, /readyz; '' for none [127.0.0.1:9400].")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What it is called in the broker and logs.")] = None,
    lease: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="After which a silent worker is given up for dead [10].")
    ] = None,
    require_durability: Annotated[
        Level | None, typer.Option(help="Refuse to start on a broker that survives less.")
    ] = None,
    trust: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="A public key, or a file or folder of them; nothing else is loaded then."),
    ] = None,
    allow_unsigned: Annotated[
        bool | None, typer.Option("--allow-unsigned", help="Load what runs code though nobody signed it.")
    ] = None,
    log_format: Annotated[str | None, typer.Option(metavar="auto|json|text", help="How to write logs (auto).")] = None,
    broker: BrokerUrl = DEFAULT_BROKER,
    registry: RegistryUrl = DEFAULT_REGISTRY,
) -> None:
    """Serve models until SIGTERM or Ctrl-C; then finish what runs, give the rest back, and leave.

    Every setting is also an environment variable, PREDICTQ_ and its name: PREDICTQ_MAX_BATCH_ROWS=1024.
    """
    settings = _settings(
        broker_url=broker,
        registry_url=registry,
        models=tuple(model) if model else None,
        runners=runners,
        threads=threads,
        memory_budget=memory,
        max_batch_rows=max_batch_rows,
        max_wait=max_wait,
        http=http,
        name=name,
        lease=lease,
        require_durability=_survives(require_durability),
        trust=tuple(trust) if trust else None,
        allow_unsigned=allow_unsigned,
        log_format=log_format,
    )
    _run(settings)


def _survives(level: Level | None) -> int | None:
    from predictq_broker import Survives

    return Survives[level.name] if level else None


def _settings(**overrides: object) -> WorkerSettings:
    from pydantic import ValidationError

    from predictq_worker import WorkerSettings

    try:
        return WorkerSettings.from_env(os.environ, **overrides)
    except ValidationError as error:
        raise Stop(Exit.USAGE, "; ".join(_complaints(error))) from error


def _complaints(error: ValidationError) -> list[str]:
    """One for each setting that is not what it should be, under the names it may have been given by."""
    return [
        f"setting {'.'.join(map(str, wrong['loc']))} is {str(wrong['input'])[:40]!r}: "
        f"{wrong['msg'].removeprefix('Value error, ')} ({_given_as(str(wrong['loc'][0]))})"
        for wrong in error.errors(include_url=False)
    ]


def _given_as(field: str) -> str:
    """The option, if there is one, and the variable."""
    option = {"models": "model", "memory_budget": "memory", "broker_url": "broker", "registry_url": "registry"}.get(
        field, field
    )
    variable = f"PREDICTQ_{field.upper()}"
    return f"--{option.replace('_', '-')} or {variable}" if option in signature(worker).parameters else variable


def _run(settings: WorkerSettings) -> None:
    from predictq_worker import NotDurable, Worker, configure_logs

    configure_logs(settings.log_format)
    try:
        Worker(settings).run()
    except NotDurable as error:
        raise Stop(Exit.FAILED, f"{error}; see: predictq doctor, or require less") from error
