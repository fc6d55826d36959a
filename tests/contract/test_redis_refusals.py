"""What a Redis says against us, each said by a server that means it: whether to wait, to make room, or to mend."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from contract.making import answer, ask, eventually, hold, in_background, send
from redis_forms import RedisCluster
from servers import RedisServer

from predictq_broker import BrokerFull, BrokerRefused, BrokerUnavailable, connect
from predictq_broker.port import Broker


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path, options=("--enable-debug-command", "yes")) as server:
        yield server


@pytest.fixture
def broker(server: RedisServer) -> Iterator[Broker]:
    with connect(server.url) as broker:
        yield broker


@pytest.fixture
def raw(server: RedisServer) -> Iterator["redis.Redis"]:
    with server.client() as raw:
        yield raw


def test_a_server_that_wants_a_password_refuses_who_has_none(server: RedisServer, raw: "redis.Redis") -> None:
    raw.config_set("requirepass", "secret")
    with connect(server.url) as broker, pytest.raises(BrokerRefused, match=r"login was refused.*check the user"):
        send(broker, ask())


def test_a_wrong_password_is_refused_and_not_told(server: RedisServer, raw: "redis.Redis") -> None:
    raw.config_set("requirepass", "secret")
    url = server.url.replace("//", "//:mistaken@")
    with connect(url) as broker, pytest.raises(BrokerRefused, match="login was refused") as refused:
        send(broker, ask())
    assert "mistaken" not in str(refused.value)


def test_a_user_without_the_rights_is_refused(server: RedisServer, raw: "redis.Redis") -> None:
    raw.execute_command("ACL", "SETUSER", "poor", "on", ">poor", "+ping")
    url = server.url.replace("//", "//poor:poor@")
    with connect(url) as broker, pytest.raises(BrokerRefused, match="this user may not do that"):
        send(broker, ask())


def test_a_key_of_another_kind_is_refused(broker: Broker, raw: "redis.Redis") -> None:
    raw.set("predictq:{iris}:requests:normal", "no stream")
    with pytest.raises(BrokerRefused, match=r"the server said no.*WRONGTYPE"):
        send(broker, ask())


def test_a_server_that_cannot_save_is_full_and_drains(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with RedisServer(disk) as server, connect(server.url) as broker, server.client() as raw:
        consumer = broker.consumer("worker")
        (delivery,) = hold(broker, consumer, ask())
        raw.config_set("save", "1 1")
        shutil.rmtree(disk)
        eventually(lambda: raw.info("persistence")["rdb_last_bgsave_status"] == "err", 20)
        with pytest.raises(BrokerFull, match=r"the server has no room.*MISCONF"):
            send(broker, ask())
        raw.config_set("save", "")
        assert len(consumer.settle([answer(delivery)])) == 1
        consumer.close()


def test_a_server_without_the_replicas_it_needs_is_waited_for(broker: Broker, raw: "redis.Redis") -> None:
    raw.config_set("min-replicas-to-write", "1")
    with pytest.raises(BrokerUnavailable, match="NOREPLICAS"):
        send(broker, ask())
    raw.config_set("min-replicas-to-write", "0")
    send(broker, ask())


def test_a_server_that_is_busy_with_a_script_is_waited_for(broker: Broker, raw: "redis.Redis") -> None:
    raw.config_set("busy-reply-threshold", "10")
    endless = threading.Thread(target=run_until_killed, args=(raw,))
    endless.start()

    eventually(lambda: "BUSY" in what_is_said(broker))
    with raw.client() as client:
        client.execute_command("SCRIPT", "KILL")
    endless.join(10)
    send(broker, ask())


def run_until_killed(raw: "redis.Redis") -> None:
    with pytest.raises(redis.exceptions.ResponseError, match="killed"):
        raw.eval("while true do end", 0)


def test_a_server_that_loads_its_data_is_waited_for(tmp_path: Path) -> None:
    slowly = ("--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024")  # microseconds a key
    with RedisServer(tmp_path, options=slowly) as server, connect(server.url) as broker:
        for _ in range(10):
            send(broker, *(ask(body=b"x" * 100) for _ in range(100)))
        with server.client() as raw:
            raw.save()
        server.kill()
        starting = in_background(server.start)
        eventually(lambda: "loading" in what_is_said(broker))
        starting.result()
        assert broker.stats("iris").queued == 1000


def what_is_said(broker: Broker) -> str:
    """The sentence with which we are asked to wait."""
    try:
        send(broker, ask())
    except BrokerUnavailable as error:
        return str(error)
    return ""


def test_a_cluster_that_has_lost_slots_is_waited_for(tmp_path: Path) -> None:
    with RedisCluster(tmp_path) as cluster, connect(cluster.url) as broker:
        send(broker, ask())
        lost = next(node for node in cluster.primaries if node is not cluster.owner("{iris}"))
        lost.kill()

        eventually(lambda: "ClusterDown" in what_is_said(broker), 20)
        lost.start()
        eventually(lambda: not what_is_said(broker), 20)
