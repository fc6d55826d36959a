"""What every test may stand on: a Redis of our own, a broker URL of each kind, and trained models."""

import uuid
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from models import Iris, iris
from rabbitmq import RabbitServer
from redis_forms import RedisCluster
from servers import RedisServer

from predictq_registry import Registry

if TYPE_CHECKING:
    from s3 import S3Server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that keep every core busy and files that mostly wait take turns: run side by side, they do not idle."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    busy = [path for path in files if path.parent.name in {"faults", "acceptance"}]
    others = [path for path in files if path not in busy]
    turns = [path for pair in zip_longest(busy, others) for path in pair if path]
    items[:] = [item for path in turns for item in files[path]]


@pytest.fixture(scope="session", autouse=True)
def own_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Releases are signed by a key of the tests, which every process they start trusts; never by the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        for name in ("PREDICTQ_SIGNING_KEY", "PREDICTQ_TRUST", "PREDICTQ_ALLOW_UNSIGNED"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("redis-cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def rabbitmq_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    with RabbitServer(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


@pytest.fixture(scope="module")
def s3_server() -> Iterator["S3Server"]:
    from s3 import S3Server  # it brings moto, which few tests need

    with S3Server() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server


@pytest.fixture
def s3_url(s3_server: "S3Server") -> Iterator[str]:
    """An empty registry's place in a server without troubles."""
    s3_server.heal()
    yield f"s3://models/{uuid.uuid4().hex}"
    s3_server.heal()


@pytest.fixture(params=["sqlite", "redis"])
def broker_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty broker that several processes can share. RabbitMQ only where a test asks for it: it is slow to start."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/predictq.db"
    if request.param == "rabbitmq":
        rabbitmq: RabbitServer = request.getfixturevalue("rabbitmq_server")
        return rabbitmq.fresh()
    server: RedisServer = request.getfixturevalue("redis_server")
    server.flush()
    return server.url


@pytest.fixture(scope="session")
def trained() -> Iris:
    return iris()


@pytest.fixture
def registry_url(tmp_path: Path, trained: Iris) -> str:
    """A registry whose model `iris` has one release, in production."""
    url = str(tmp_path / "models")
    Registry(url).publish("iris", trained.good, sample=trained.rows, alias="production")
    return url
