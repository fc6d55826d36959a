"""predictq on each engine. A new engine is one entry."""

from collections.abc import Mapping

from environments import OWN

from contenders.contender import Contender, Promises

__all__ = ["ENGINES", "PLAIN", "REDIS", "predictq"]

_WORKER = (
    *("python", "-m", "predictq_cli", "worker", "--broker", "{broker}", "--registry", "{kept}"),
    *("--log-format", "json"),
)


def predictq(  # noqa: PLR0913  most of them have a default
    engine: str,
    server: str,
    durable: str,
    *,
    runners: int = 1,
    workers: int = 1,
    models: int = 0,
    port: str = "0",
    settings: Mapping[str, str] | None = None,
) -> Contender:
    """Predictq on one engine; `models`: under how many names the model is published, and asked for unevenly.

    `port` is where its metrics are.
    """
    served = () if models else ("--model", "bench")
    return Contender(
        f"predictq {engine}",
        OWN,
        "peers.own:Popular" if models else "peers.own:Asynchronous",
        (*_WORKER, *served, "--runners", str(runners), "--http", f"127.0.0.1:{port}"),
        Promises(durable, "yes", "10 s, by heartbeat", "yes"),
        server=server,
        workers=workers,
        prepare=("python", "-m", "peers.own"),
        alone="" if models else "peers.own:Blocking",
        settings={**(settings or {}), "BENCH_MODELS": str(models)},
    )


REDIS = predictq("Redis", "redis", "no")
ENGINES = (
    predictq("SQLite", "sqlite", "power loss"),
    REDIS,
    predictq("Redis everysec", "redis everysec", "process crash"),
    predictq("Redis always", "redis always", "power loss"),
    predictq("RabbitMQ", "rabbitmq", "power loss"),
)
PLAIN = frozenset(("sqlite", "redis", "rabbitmq"))
"""One server of each kind, for what does not depend on how often it flushes."""
