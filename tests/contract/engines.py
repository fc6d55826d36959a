"""The engines under the contract, and how a program without this library writes to each."""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Self
from uuid import uuid4

import amqp
import kombu
import kombu.transport.memory
import pytest
import redis
from fakeredis import FakeRedis

from predictq_broker.memory import fake_server
from predictq_broker.messages import Request, Verdict
from predictq_broker.port import Broker, Consumer, Inbox, Subscription

__all__ = ["ENGINES", "Engine", "InParcels", "Tidy"]

Fields = Mapping[str, str | bytes]


class Engine(NamedTuple):
    """One engine with an empty store of its own.

    Attributes:
        url: What to give to `connect`.
        write: Puts a request for a model into its queue as a foreign program would, judged by nobody.
        bodies: Whether every message has a body, be it empty.
        parcels: Whether requests are offered as new, so that they may be stored together.
    """

    url: str
    write: Callable[[str, Fields], None]
    bodies: bool = False
    parcels: bool = False


class Tidy:
    """A broker that closes with itself what it has made, for a test that fails does not come to that."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._made = contextlib.ExitStack()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    def consumer(self, *args: Any, **named: Any) -> Consumer:
        return self._made.enter_context(contextlib.closing(self._broker.consumer(*args, **named)))

    def inbox(self) -> Inbox:
        return self._made.enter_context(contextlib.closing(self._broker.inbox()))

    def subscription(self, *args: Any, **named: Any) -> Subscription:
        return self._made.enter_context(contextlib.closing(self._broker.subscription(*args, **named)))

    def close(self) -> None:
        self._made.close()
        self._broker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class InParcels(Tidy):
    """A broker whose requests are all offered as what they are: new, unless their ids were offered before.

    Brokers that connect to one store share `seen`.
    """

    _offering: Final = threading.Lock()

    def __init__(self, broker: Broker, seen: set[tuple[str, str]]) -> None:
        super().__init__(broker)
        self._seen = seen

    def send(self, requests: Sequence[Request], *, first: bool = False) -> Sequence[Verdict]:
        names = {(request.model, request.id) for request in requests}
        with self._offering:  # whoever offers the same at once must wait until it is stored
            new = first or (len(names) == len(requests) and not names & self._seen)
            self._seen |= names
            if new:
                return self._broker.send(requests, first=True)
        return self._broker.send(requests)


def sqlite_engine(request: pytest.FixtureRequest) -> Engine:
    """The embedded engine on a file that is not there yet."""
    path = request.getfixturevalue("tmp_path") / "contract.db"

    def write(model: str, fields: Fields) -> None:
        columns = {"model": model, **fields}
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        connection = sqlite3.connect(path, timeout=5)
        try:
            with connection:
                connection.execute(
                    f"INSERT INTO send ({names}) VALUES ({marks})",  # noqa: S608  the names are the tests' own
                    list(columns.values()),
                )
        finally:
            connection.close()

    return Engine(f"sqlite:///{path}", write)


def sqlite_parcels_engine(request: pytest.FixtureRequest) -> Engine:
    """The embedded engine, with as many requests in a row as may be."""
    return sqlite_engine(request)._replace(parcels=True)


def redis_engine(request: pytest.FixtureRequest) -> Engine:
    """The Redis engine on a server that was emptied."""
    server = request.getfixturevalue("redis_server")
    server.flush()

    def write(model: str, fields: Fields) -> None:
        with redis.Redis(port=server.port) as client:
            _add(client, model, fields)

    return Engine(server.url, write)


def redis_parcels_engine(request: pytest.FixtureRequest) -> Engine:
    """The Redis engine, with as many requests in an entry as may be."""
    return redis_engine(request)._replace(parcels=True)


def redis_cluster_engine(request: pytest.FixtureRequest) -> Engine:
    """The Redis engine on a cluster that was emptied."""
    cluster = request.getfixturevalue("redis_cluster")
    cluster.flush()

    def write(model: str, fields: Fields) -> None:
        with cluster.owner(f"{{{model}}}").client() as client:
            _add(client, model, fields)

    return Engine(cluster.url, write)


def memory_engine(_: pytest.FixtureRequest) -> Engine:
    """The Redis engine within this process, under a name of its own."""
    url = f"memory://{uuid4().hex}"

    def write(model: str, fields: Fields) -> None:
        _add(FakeRedis(server=fake_server(url)), model, fields)

    return Engine(url, write)


def rabbitmq_engine(request: pytest.FixtureRequest) -> Engine:
    """The engine for AMQP on a new virtual host of RabbitMQ."""
    server = request.getfixturevalue("rabbitmq_server")
    url = server.fresh()
    request.addfinalizer(lambda: server.drop(url))

    def write(model: str, fields: Fields) -> None:
        headers = {name: value for name, value in fields.items() if name != "body"}
        with amqp.Connection(f"127.0.0.1:{server.port}", virtual_host=url.rpartition("/")[2]) as connection:
            channel = connection.channel()
            channel.confirm_select()
            message = amqp.Message(fields.get("body", b""), application_headers=headers)
            channel.basic_publish_confirm(message, routing_key=f"predictq.requests.{model}.normal")

    return Engine(url, write, bodies=True)


def kombu_memory_engine(_: pytest.FixtureRequest) -> Engine:
    """The engine for kombu's transports, on the one that lives in this process."""
    kombu.transport.memory.Channel.queues.clear()

    def write(model: str, fields: Fields) -> None:
        headers = {name: value for name, value in fields.items() if name != "body"}
        with kombu.Connection("memory://") as connection:
            channel = connection.channel()
            message = channel.prepare_message(fields.get("body", b""), headers=headers)
            channel.basic_publish(message, exchange="", routing_key=f"predictq.requests.{model}.normal")

    return Engine("kombu+memory://", write, bodies=True)


def _add(client: redis.Redis, model: str, fields: Fields) -> None:
    client.xadd(f"predictq:{{{model}}}:requests:normal", dict(fields))


ENGINES: Mapping[str, Callable[[pytest.FixtureRequest], Engine]] = {
    "sqlite": sqlite_engine,
    "sqlite-parcels": sqlite_parcels_engine,
    "redis": redis_engine,
    "redis-parcels": redis_parcels_engine,
    "redis-cluster": redis_cluster_engine,
    "memory": memory_engine,
    "rabbitmq": rabbitmq_engine,
    "kombu-memory": kombu_memory_engine,
}
"""How a test comes by an engine of each name."""
