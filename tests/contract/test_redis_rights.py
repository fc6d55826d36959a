"""The users of `deploy/redis/users.acl`: each can do all that its part needs, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from contract.making import answer, ask, drain, failure, ids, receive, send
from servers import RedisServer

from predictq_broker import BrokerRefused, Code, Survives, connect
from predictq_broker.port import Broker

USERS = Path(__file__).parents[2] / "deploy" / "redis" / "users.acl"
ADMIN = {"username": "admin", "password": "admin"}
ROLES = ("producer", "worker", "subscriber", "operator")
REQUESTS, RESULTS, INBOX = (f"predictq:{{iris}}:{what}" for what in ("requests:normal", "results:q", "results:inbox.x"))
DEAD, LEASES, ID = (f"predictq:{{iris}}:{what}" for what in ("dead", "requests:leases", "id:a"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    directory = tmp_path_factory.mktemp("redis")
    admin = "user admin on >admin ~* &* +@all\n"
    (directory / "users.acl").write_text(USERS.read_text() + admin)
    files = ("--aclfile", str(directory / "users.acl"), "--enable-debug-command", "yes")
    with RedisServer(directory, "always", files, **ADMIN) as server:
        yield server


@pytest.fixture
def admin(server: RedisServer) -> Iterator["redis.Redis"]:
    server.flush()
    with server.client() as admin:
        admin.acl_log_reset()
        yield admin


def as_user(server: RedisServer, role: str) -> Broker:
    return connect(server.url.replace("redis://", f"redis://{role}:change-me-{role}@"))


@pytest.fixture
def brokers(server: RedisServer, admin: "redis.Redis") -> Iterator[tuple[Broker, ...]]:
    with (
        as_user(server, "producer") as producer,
        as_user(server, "worker") as worker,
        as_user(server, "subscriber") as subscriber,
        as_user(server, "operator") as operator,
    ):
        yield producer, worker, subscriber, operator
    assert admin.acl_log() == []


def test_the_rights_are_enough_for_the_whole_cycle(brokers: tuple[Broker, ...]) -> None:
    producer, worker, subscriber, operator = brokers
    inbox, subscription = producer.inbox(), subscriber.subscription("q")
    inbox.expect("iris")
    inbox.expect("pansy")
    assert list(inbox.receive(0.01)) == []
    one, two = worker.consumer("one", lease=60.0), worker.consumer("two", lease=60.0)
    send(producer, ask("a", reply_to=inbox.name), ask("b", reply_to="q"), ask("c", reply_to=inbox.name))
    send(producer, ask("d", reply_to=inbox.name), ask("e", reply_to=inbox.name))
    assert list(producer.cancel("iris", ["e"])) == ["e"]
    assert list(worker.models()) == ["iris"]
    a, b, c, d = receive(one, 4)
    assert (one.renew(), one.reclaim(), list(receive(two, wait=0.01))) == (0, 0, [])
    assert len(one.settle([answer(a), answer(b)])) == 2
    assert len(one.bury([failure(c, Code.DEAD_LETTERED, "why")])) == 1
    one.release([d])
    assert worker.stats("iris")[:2] == (1, 0)
    (again,) = receive(two, wait=1.0)
    assert len(two.settle([answer(again)])) == 1
    assert sorted(ids(drain(inbox))) == ["a", "c", "d", "e"]
    (result,) = subscription.receive(10, 1.0)
    assert (subscription.renew(), subscription.reclaim(), list(subscription.receive(10, 0.01))) == (0, 0, [])
    assert subscription.ack([result]) == 1
    assert list(operator.models()) == ["iris"]
    assert [letter.request.id for letter in operator.dead("iris").list()] == ["c"]
    assert operator.dead("iris").replay() == 1
    assert operator.stats("iris")[:2] == (1, 0)
    (replayed,) = receive(two)
    assert len(two.bury([failure(replayed, Code.DEAD_LETTERED, "why")])) == 1
    assert operator.dead("iris").purge() == 1
    for opened in (one, two, subscription, inbox):
        opened.close()


def test_who_may_read_the_configuration_hears_what_the_server_survives(server: RedisServer) -> None:
    with as_user(server, "operator") as operator:
        assert operator.durability().survives is Survives.POWER_LOSS


def test_where_it_is_hidden_as_much_is_said_as_is_known(server: RedisServer) -> None:
    with as_user(server, "worker") as worker:
        assert worker.durability() == (
            Survives.PROCESS_CRASH,
            "appendonly is on; this user may not read appendfsync (CONFIG GET)",
        )
    with as_user(server, "producer") as producer:
        survives, because = producer.durability()
    assert survives is Survives.NOTHING
    assert "does not tell its configuration" in because


FORBIDDEN = [
    "CONFIG SET maxmemory 1",
    "CONFIG REWRITE",
    "FLUSHALL",
    "FLUSHDB",
    "KEYS *",
    "SCAN 0",
    "DEBUG SLEEP 0",
    "SHUTDOWN NOSAVE",
    "SCRIPT LOAD x",
    "SCRIPT FLUSH",
    "FUNCTION LOAD x",
    "FCALL x 0",
    f"RESTORE {REQUESTS} 0 x",
    f"MIGRATE 127.0.0.1 1 {REQUESTS} 0 1",
    f"DUMP {REQUESTS}",
    f"RENAME {REQUESTS} other",
    f"XTRIM {REQUESTS} MAXLEN 0",
    f"XGROUP DESTROY {REQUESTS} workers",
    f"UNLINK {REQUESTS}",
    f"DEL {DEAD}",
    "CLIENT KILL TYPE normal",
    "CLIENT LIST",
    "MONITOR",
    "SUBSCRIBE __keyevent@0__:set",
    "PSUBSCRIBE *",
    "PUBLISH channel x",
    "REPLICAOF NO ONE",
    "CLUSTER FAILOVER",
    "ACL LIST",
    "GET other",
    "SET other x",
    "XADD other * f v",
]
REFUSED = r"permission|not allowed|can't access|can't run|ACL failure"
ONLY_OTHERS = {
    "producer": [
        "CONFIG GET *",
        "INFO",
        "SMEMBERS predictq:models",
        f"XADD {RESULTS} * f v",
        f"XREAD STREAMS {RESULTS} 0",
        f"XADD {DEAD} * f v",
        f"XRANGE {DEAD} - +",
        f"XREADGROUP GROUP workers w STREAMS {REQUESTS} >",
        f"SET {LEASES} x",
        f"DEL {LEASES}",
        f"HSET {LEASES} w fenced",
        f"GET {REQUESTS}:other",
    ],
    "worker": [
        "CONFIG GET *",
        f"XADD {REQUESTS} * f v",
        f"GET {ID}",
        f"SET {ID} x",
        f"XREAD STREAMS {RESULTS} 0",
        f"XRANGE {INBOX} - +",
        f"XRANGE {DEAD} - +",
        f"XDEL {DEAD} 0-1",
        "SREM predictq:models iris",
    ],
    "subscriber": [
        "CONFIG GET *",
        "INFO",
        f"XADD {RESULTS} * f v",
        f"XADD {REQUESTS} * f v",
        f"XREAD STREAMS {REQUESTS} 0",
        f"GET {ID}",
        f"XRANGE {DEAD} - +",
        "SADD predictq:models x",
    ],
    "operator": [
        f"XADD {RESULTS} * f v",
        f"XREAD STREAMS {RESULTS} 0",
        f"XDEL {REQUESTS} 0-1",
        f"XREADGROUP GROUP workers w STREAMS {REQUESTS} >",
        f"HSET {LEASES} w fenced",
        "SADD predictq:models x",
    ],
}


@pytest.mark.parametrize("role", ROLES)
def test_whatever_a_part_does_not_need_is_refused_and_logged(
    server: RedisServer, admin: "redis.Redis", role: str
) -> None:
    commands = [*FORBIDDEN, *ONLY_OTHERS[role]]
    done = []
    with redis.Redis(port=server.port, username=role, password=f"change-me-{role}") as client:
        for command in commands:
            try:
                done.append((command, client.execute_command(*command.split(" "))))
            except redis.exceptions.NoPermissionError:
                continue
        assert done == []
    assert admin.acl_log()


@pytest.mark.parametrize("role", ROLES)
def test_a_script_of_its_own_gives_nobody_more_rights(server: RedisServer, admin: "redis.Redis", role: str) -> None:
    admin.set("other", "secret")
    with redis.Redis(port=server.port, username=role, password=f"change-me-{role}") as client:
        for command in [*FORBIDDEN, *ONLY_OTHERS[role]]:
            if command.startswith(("SUBSCRIBE", "PSUBSCRIBE", "MONITOR", "SHUTDOWN", "MIGRATE", "SCRIPT", "FUNCTION")):
                continue  # not from a script, whoever asks
            words = ", ".join(f"'{word}'" for word in command.split(" "))
            with pytest.raises(
                redis.exceptions.ResponseError, match=r"permission|not allowed|can't access|can't run|ACL failure"
            ):
                client.eval(f"return redis.call({words})", 0)
    assert admin.get("other") == b"secret"


def test_a_result_that_may_not_be_published_is_refused_before_its_request_is_taken(
    server: RedisServer, admin: "redis.Redis"
) -> None:
    with as_user(server, "producer") as producer, as_user(server, "operator") as operator:
        send(producer, ask("a", reply_to="q"))
        with pytest.raises(BrokerRefused, match="this user may not do that"):
            producer.cancel("iris", ["a"])
        assert operator.stats("iris").queued == 1
    assert admin.xlen(RESULTS) == 0
