"""`memory://`: the Redis engine on fakeredis, for tests and notebooks. It lives and dies with the process."""

from urllib.parse import urlsplit

from fakeredis import FakeRedis

from predictq_broker.capabilities import Capabilities
from predictq_broker.port import Limits
from predictq_broker.redis import RedisBroker
from predictq_broker.redis.connection import Connections, raw_replies
from predictq_broker.redis.server import OneServer

__all__ = ["memory_broker"]


def memory_broker(url: str, limits: Limits) -> RedisBroker:
    """A broker in this process's memory; the same URL is the same broker."""
    name = urlsplit(url).netloc or "default"
    redis = raw_replies(FakeRedis(host=f"{name}.memory", protocol=2))
    return RedisBroker(
        OneServer(redis, Connections()), limits, Capabilities(engine="memory", shared=False), shebang=False
    )
