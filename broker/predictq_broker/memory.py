"""`memory://`: the Redis engine on fakeredis, for tests and notebooks. It lives and dies with the process."""

from collections import defaultdict
from threading import Lock
from urllib.parse import urlsplit

from fakeredis import FakeRedis, FakeServer

from predictq_broker.capabilities import Capabilities
from predictq_broker.port import Limits
from predictq_broker.redis import RedisBroker
from predictq_broker.redis.connection import Connections, raw_replies
from predictq_broker.redis.server import OneServer

__all__ = ["fake_server", "memory_broker"]

_servers: defaultdict[str, FakeServer] = defaultdict(FakeServer)
_servers_lock = Lock()


def memory_broker(url: str, limits: Limits) -> RedisBroker:
    """A broker in this process's memory; the same URL is the same broker."""
    redis = raw_replies(FakeRedis(server=fake_server(url), protocol=2))
    return RedisBroker(
        OneServer(redis, Connections()), limits, Capabilities(engine="memory", shared=False), shebang=False
    )


def fake_server(url: str) -> FakeServer:
    """What stands behind this URL. Ours to keep: fakeredis's own table gives threads that come at once one each."""
    with _servers_lock:
        return _servers[urlsplit(url).netloc or "default"]
