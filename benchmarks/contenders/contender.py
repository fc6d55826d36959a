"""One contender as data: what it runs, how it is asked, and what it promises."""

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["Contender", "Promises"]


class Promises(NamedTuple):
    """What its user can rely on in the configuration that is measured; each a word or two for the table.

    Attributes:
        durable: What accepted requests survive.
        redelivered: Whether a request comes back when its worker is killed.
        lease: How long that takes, or by what it is noticed.
        once: Whether a result is published once, however often the request runs.
    """

    durable: str
    redelivered: str
    lease: str
    once: str


class Contender(NamedTuple):
    """Its processes find each other by environment variables; see `load.place`.

    Attributes:
        name: In tables.
        environment: The virtual environment it runs in; see `environments`.
        client: `MODULE:CLASS` of a `load.client.Client`.
        worker: The command of one worker, without the interpreter's folder; empty: there is none. `{broker}`,
            `{kept}` and `{port}` are filled in.
        promises: What it promises.
        server: The broker; see `servers.serve`.
        workers: How many of them.
        prepare: A command that fills `{kept}` before the first turn.
        alone: Another client for one request at a time, where the library has one for that.
        settings: Environment variables of the workers.
        models: Which of `load.models` it can serve; empty: all.
        by_hand: Its batches are made by whoever asks, which sends many requests in one message.
    """

    name: str
    environment: str
    client: str
    worker: tuple[str, ...]
    promises: Promises
    server: str = "redis"
    workers: int = 1
    prepare: tuple[str, ...] = ()
    alone: str = ""
    settings: Mapping[str, str] = {}
    models: frozenset[str] = frozenset()
    by_hand: bool = False
