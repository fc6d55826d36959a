"""What tests of Redis alone stand on, in place of every engine in turn."""

from collections.abc import Iterator

import pytest
import redis
from servers import RedisServer

from predictq_broker import connect
from predictq_broker.port import Broker

__all__ = ["broker", "raw"]


@pytest.fixture
def broker(redis_server: RedisServer) -> Iterator[Broker]:
    redis_server.flush()
    with connect(redis_server.url) as broker:
        yield broker


@pytest.fixture
def raw(redis_server: RedisServer) -> Iterator["redis.Redis"]:
    """The server as a program sees it that is not ours."""
    with redis.Redis(port=redis_server.port) as client:
        yield client
