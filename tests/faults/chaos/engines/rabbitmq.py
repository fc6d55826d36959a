"""A RabbitMQ of our own, behind a proxy."""

from collections.abc import Mapping
from pathlib import Path

from faults.chaos.proxy import Proxy
from kombu import Connection
from rabbitmq import RabbitServer

__all__ = ["RabbitEngine"]


class RabbitEngine:
    """See `Engine`."""

    name = "rabbitmq"
    lease = 5.0  # heartbeats are whole seconds, and a lease is two to three of them
    clock = None

    def __init__(self, directory: Path) -> None:
        place = directory / "rabbitmq"
        place.mkdir()
        self.server = RabbitServer(place)
        self.server.start()
        self.proxy = Proxy(self.server.port).__enter__()
        self.direct = self.server.url
        self.url = f"amqp://guest:guest@127.0.0.1:{self.proxy.port}/"
        self.about = f"RabbitMQ {self.server.api('GET', 'overview')['rabbitmq_version']}, quorum queues, confirms"

    @property
    def pid(self) -> int:
        """As `Engine.pid`."""
        return self.server.pid

    def kill(self) -> None:
        """As `Engine.kill`."""
        self.server.kill()

    def start(self) -> None:
        """As `Engine.start`."""
        self.server.start()

    def write(self, fields: Mapping[str, str]) -> None:
        """As `Engine.write`."""
        headers = {name: value for name, value in fields.items() if name != "body"}
        with Connection(self.direct) as connection, connection.channel() as channel:
            message = channel.prepare_message(fields["body"].encode(), headers=headers)
            channel.basic_publish(message, exchange="", routing_key="predictq.requests.iris.normal")

    def close(self) -> None:
        """As `Engine.close`."""
        self.proxy.__exit__()
        self.server.stop()
