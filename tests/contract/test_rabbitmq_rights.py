"""The rights that docs/operations.md gives on RabbitMQ: each role can do its work with them, and no more."""

import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from contract.making import answer, ask, eventually, failure, receive, send
from rabbitmq import RabbitServer

from predictq_broker import BrokerRefused, Capacity, Code, connect
from predictq_broker.port import Broker

OPERATIONS = (Path(__file__).parents[2] / "docs/operations.md").read_text()
ROLES = ("worker", "asker", "reader", "operator")
Login = Callable[[str], Broker]


def documented() -> dict[str, list[str]]:
    """User -> the patterns of what it may configure, write and read, as the page sets them."""
    found = re.search(r"<!-- run: rabbitmqctl -->\n```sh\n(.*?)```", OPERATIONS, re.DOTALL)
    assert found, "operations.md has no block of rights for RabbitMQ"
    lines = [shlex.split(line) for line in found[1].replace("\\\n", " ").splitlines()]
    return {line[4]: line[5:] for line in lines if line[1] == "set_permissions"}


@pytest.fixture
def vhost(rabbitmq_server: RabbitServer) -> Iterator[str]:
    """The URL of a virtual host where each role is a user, and `stranger` one without rights."""
    url = rabbitmq_server.fresh()
    name = url.rpartition("/")[2]
    for user, (configure, write, read) in {**documented(), "stranger": ["^$"] * 3}.items():
        rabbitmq_server.api("PUT", f"users/{user}", {"password": "secret", "tags": ""})
        rights = {"configure": configure, "write": write, "read": read}
        rabbitmq_server.api("PUT", f"permissions/{name}/{user}", rights)
    yield url
    rabbitmq_server.drop(url)
    for user in (*ROLES, "stranger"):
        rabbitmq_server.api("DELETE", f"users/{user}")


@pytest.fixture
def login(vhost: str) -> Iterator[Login]:
    """Connects as one of the roles."""
    opened: list[Broker] = []

    def open_as(user: str) -> Broker:
        opened.append(connect(vhost.replace("guest:guest", f"{user}:secret")))
        return opened[-1]

    yield open_as
    for broker in opened:
        broker.close()


@pytest.fixture
def served(login: Login) -> None:
    """The model `iris` has its queues: a worker was there, and it set one request aside."""
    consumer = login("worker").consumer("first")
    receive(consumer)
    send(login("asker"), ask("doomed", reply_to="flowers"))
    (doomed,) = receive(consumer, wait=5.0)
    consumer.bury([failure(doomed, Code.DEAD_LETTERED, "it killed them all")])
    consumer.close()


def test_the_documented_users_are_those_of_these_tests() -> None:
    assert tuple(documented()) == ROLES


@pytest.mark.usefixtures("served")
def test_a_service_asks_and_a_worker_answers_each_with_its_own_rights(login: Login) -> None:
    asker, worker = login("asker"), login("worker").consumer("w")
    inbox = asker.inbox()
    inbox.expect("iris")
    send(asker, ask("a", reply_to=inbox.name), ask("b", reply_to=inbox.name))
    first, second = receive(worker, 2, wait=5.0)
    worker.release([second])
    assert worker.renew() == 0
    (second,) = receive(worker, wait=5.0)
    assert len(worker.settle([answer(first), answer(second)])) == 2
    answered: list[str] = []
    eventually(lambda: answered.extend(result.id for result in inbox.receive(1.0)) or len(answered) == 2)
    assert sorted(answered) == ["a", "b"]
    inbox.close()
    worker.close()


@pytest.mark.usefixtures("served")
def test_a_reader_reads_its_own_result_queue_and_gives_back_what_it_does_not_acknowledge(login: Login) -> None:
    for _ in range(2):
        subscription = login("reader").subscription("flowers")
        (result,) = subscription.receive(10, 5.0)
        assert result.result.id == "doomed"
        assert result.attempt == 1
        subscription.close()
    subscription = login("reader").subscription("flowers")
    assert subscription.ack(subscription.receive(10, 5.0)) == 1
    subscription.close()


@pytest.mark.usefixtures("served")
def test_an_operator_sees_queues_and_replays_and_purges_dead_letters(login: Login) -> None:
    operator = login("operator")
    letters = operator.dead("iris")
    eventually(lambda: operator.stats("iris").dead == 1)
    (letter,) = letters.list()
    assert letters.show(letter.tag)
    assert letters.replay([letter.tag]) == 1
    worker = login("worker").consumer("w")
    (again,) = receive(worker, wait=5.0)
    worker.bury([failure(again, Code.DEAD_LETTERED, "and again")])
    assert letters.purge() == 1
    worker.close()


def take(broker: Broker) -> None:
    with closing(broker.consumer("thief")) as consumer:
        receive(consumer)


def read(broker: Broker, queue: str = "flowers") -> None:
    with closing(broker.subscription(queue)) as subscription:
        subscription.receive(1, 0.1)


FORBIDDEN: dict[str, tuple[str, Callable[[Broker], object]]] = {
    "an asker takes requests": ("asker", take),
    "an asker reads a result queue": ("asker", read),
    "an asker reads dead letters": ("asker", lambda broker: broker.dead("iris").list()),
    "an asker purges dead letters": ("asker", lambda broker: broker.dead("iris").purge()),
    "a reader takes requests": ("reader", take),
    "a reader reads another result queue": ("reader", lambda broker: read(broker, "secrets")),
    "a reader reads dead letters": ("reader", lambda broker: broker.dead("iris").list()),
    "a reader has an inbox": ("reader", lambda broker: broker.inbox().expect("iris")),
    "a worker reads results": ("worker", read),
    "a worker reads dead letters": ("worker", lambda broker: broker.dead("iris").list()),
    "an operator takes requests": ("operator", take),
    "an operator reads results": ("operator", read),
    "a stranger asks": ("stranger", lambda broker: broker.send([ask()])),
    "a stranger takes requests": ("stranger", take),
}


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("what", FORBIDDEN)
def test_it_is_refused_that(what: str, login: Login) -> None:
    role, attempt = FORBIDDEN[what]
    with pytest.raises(BrokerRefused, match="permissions"):
        attempt(login(role))


def test_an_asker_is_refused_until_a_worker_has_made_the_queues(login: Login) -> None:
    with pytest.raises(BrokerRefused, match="permissions"):
        login("asker").send([ask(model="never-served")])


@pytest.mark.parametrize("role", ROLES)
def test_no_role_reaches_what_is_not_ours(role: str) -> None:
    patterns = [re.compile(pattern) for pattern in documented()[role]]
    assert not any(pattern.search(name) for pattern in patterns for name in ("orders", "amq.topic", "xpredictq.dead.x"))


@pytest.mark.parametrize("role", ROLES)
def test_no_role_enters_another_virtual_host(role: str, login: Login, rabbitmq_server: RabbitServer) -> None:
    login(role).close()
    place = urlsplit(rabbitmq_server.url)
    with pytest.raises(BrokerRefused), connect(f"amqp://{role}:secret@{place.hostname}:{place.port}/") as broker:
        broker.consumer("w").receive({"iris": Capacity(1)}, 0.0)
