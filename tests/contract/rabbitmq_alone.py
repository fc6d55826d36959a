"""What tests of RabbitMQ alone stand on, in place of every engine in turn."""

from collections.abc import Iterator

import pytest
from rabbitmq import RabbitServer

from predictq_broker import connect
from predictq_broker.port import Broker

__all__ = ["broker", "url"]


@pytest.fixture
def url(rabbitmq_server: RabbitServer) -> Iterator[str]:
    url = rabbitmq_server.fresh()
    yield url
    rabbitmq_server.drop(url)


@pytest.fixture
def broker(url: str) -> Iterator[Broker]:
    with connect(url) as broker:
        yield broker
