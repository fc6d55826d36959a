"""predictq on each engine. A new engine is one entry."""

from collections.abc import Mapping

from contenders.contender import Contender, Promises
from environments import OWN

__all__ = ["ENGINES", "REDIS", "predictq"]

_WORKER = (
    *("python", "-m", "predictq_cli", "worker", "--broker", "{broker}", "--registry", "{folder}/models"),
    *("--http", "127.0.0.1:0", "--log-format", "json"),
)


def predictq(  # noqa: PLR0913  each of them has a default
    engine: str,
    server: str,
    durable: str,
    *,
    runners: int = 1,
    workers: int = 1,
    models: int = 1,
    client: str = "Asynchronous",
    settings: Mapping[str, str] | None = None,
) -> Contender:
    """predictq on one engine; `models`: how many are published, and asked for by `Popular`."""
    served = ("--model", "bench") if models == 1 else ()
    return Contender(
        f"predictq, {engine}",
        OWN,
        f"peers.own:{client}",
        (*_WORKER, *served, "--runners", str(runners)),
        Promises(durable, "yes", "10 s, by heartbeat", "yes"),
        server=server,
        workers=workers,
        prepare=("python", "-m", "peers.own", str(models)),
        alone="peers.own:Blocking" if client == "Asynchronous" else "",
        settings=settings or {},
    )


REDIS = predictq("Redis", "redis", "no")
ENGINES = (
    predictq("SQLite", "sqlite", "power loss"),
    REDIS,
    predictq("Redis everysec", "redis everysec", "process crash"),
    predictq("Redis always", "redis always", "power loss"),
)
