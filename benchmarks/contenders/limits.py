"""What bounds everybody: bare loops without any promise, and no queue at all."""

from contenders.contender import Contender, Promises

__all__ = ["LIMITS"]

_NONE = Promises("no", "no", "none", "no")


def _bare(name: str, server: str, module: str, *options: str, promises: Promises = _NONE) -> Contender:
    return Contender(
        name, "limits", f"peers.{module}:Bare", ("python", "-m", f"peers.{module}", *options), promises, server
    )


_CHILD = Contender(
    "bare loop Redis with a child",
    "limits",
    "peers.bare_redis:Bare",
    ("python", "-m", "peers.bare_redis", "child"),
    _NONE,
)
LIMITS = (
    _bare("bare loop Redis", "redis", "bare_redis"),
    _CHILD,
    _bare("bare loop SQLite", "sqlite", "bare_sqlite", promises=_NONE._replace(durable="power loss")),
    _bare(
        "bare loop RabbitMQ",
        "rabbitmq",
        "bare_amqp",
        promises=_NONE._replace(durable="not confirmed", redelivered="yes", lease="its connection"),
    ),
    Contender("in process", "limits", "peers.in_process:InProcess", (), _NONE, server="none"),
)
