"""A cluster: models on several nodes are read together, slots move, primaries die, and nothing accepted is lost."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from contract.flow import Flow
from contract.making import answer, ask, eventually, ids, in_background, receive, send
from redis_forms import RedisCluster
from servers import RedisServer, free_port

from predictq_broker import BrokerRefused, BrokerUnavailable, Capacity, Survives, connect
from predictq_broker.port import Broker


@pytest.fixture
def broker(redis_cluster: RedisCluster) -> Iterator[Broker]:
    redis_cluster.flush()
    with connect(redis_cluster.url) as broker:
        yield broker


@pytest.fixture
def models(redis_cluster: RedisCluster) -> Sequence[str]:
    """A model on each primary."""
    found: dict[int, str] = {}
    for number in range(1000):
        model = f"model-{number}"
        found.setdefault(redis_cluster.owner(f"{{{model}}}").port, model)
        if len(found) == len(redis_cluster.primaries):
            break
    return list(found.values())


def test_a_consumer_that_sleeps_is_woken_by_a_request_on_any_node(broker: Broker, models: Sequence[str]) -> None:
    consumer = broker.consumer("worker")
    wants = dict.fromkeys(models, Capacity(10))
    for model in (*models, *reversed(models)):
        sleeping = in_background(lambda: consumer.receive(wants, 20))
        send(broker, ask(model=model))
        (delivery,) = sleeping.result(10)
        assert delivery.request.model == model
        assert len(consumer.settle([answer(delivery)])) == 1
    consumer.close()


def test_requests_on_several_nodes_are_received_together(broker: Broker, models: Sequence[str]) -> None:
    consumer = broker.consumer("worker")
    for model in models:
        send(broker, ask(model, model=model))
    received = consumer.receive(dict.fromkeys(models, Capacity(10)), 0)
    assert ids(received) == list(models)
    assert len(consumer.settle([answer(delivery) for delivery in received])) == len(models)
    consumer.close()


def test_an_inbox_hears_of_every_node_each_result_once(broker: Broker, models: Sequence[str]) -> None:
    inbox, consumer = broker.inbox(), broker.consumer("worker")
    for model in models:
        inbox.expect(model)
    for n, model in enumerate((*models, *models)):
        sleeping = in_background(lambda: inbox.receive(20))
        send(broker, ask(f"r{n}", model=model, reply_to=inbox.name))
        consumer.settle([answer(delivery) for delivery in receive(consumer, model=model)])
        assert ids(sleeping.result(10)) == [f"r{n}"]
    assert inbox.receive(0) == []
    inbox.close()
    consumer.close()


def test_a_subscription_hears_of_every_node(broker: Broker, models: Sequence[str]) -> None:
    consumer, subscription = broker.consumer("worker"), broker.subscription("nightly")
    heard: list[str] = []
    for model in (*models, *models):
        send(broker, ask(model=model, reply_to="nightly"))
        consumer.settle([answer(delivery) for delivery in receive(consumer, model=model)])
        (delivery,) = subscription.receive(10, 20)
        heard.append(delivery.result.model)
        assert subscription.ack([delivery]) == 1
    assert heard == [*models, *models]
    subscription.close()
    consumer.close()


def test_a_slot_that_is_moved_while_requests_flow_loses_and_repeats_none(
    redis_cluster: RedisCluster, broker: Broker, models: Sequence[str]
) -> None:
    moved = models[0]
    source = redis_cluster.owner(f"{{{moved}}}")
    target = next(node for node in redis_cluster.primaries if node is not source)
    with Flow(redis_cluster.url, models) as flow:
        for there in (target, source):
            flow.at_least(200)
            for left in redis_cluster.move(f"{{{moved}}}", there):
                assert left
            assert redis_cluster.owner(f"{{{moved}}}") is there
        flow.at_least(200)
        assert flow.ebb() == set()
    assert set(flow.answers.values()) == {1}
    assert flow.unknown == set()
    assert broker.stats(moved)[:2] == (0, 0)


def test_while_a_slot_is_moved_its_requests_are_asked_to_wait_and_none_is_half_done(
    redis_cluster: RedisCluster, broker: Broker
) -> None:
    source = redis_cluster.owner("{iris}")
    target = next(node for node in redis_cluster.primaries if node is not source)
    inbox, consumer = broker.inbox(), broker.consumer("worker", lease=60.0)
    inbox.expect("iris")
    send(broker, ask("a", reply_to=inbox.name))
    (held,) = receive(consumer)
    for _ in redis_cluster.move("{iris}", target):
        with pytest.raises(BrokerUnavailable):
            consumer.settle([answer(held)])
        with pytest.raises(BrokerUnavailable):
            send(broker, ask("another"))
    assert len(consumer.settle([answer(held)])) == 1
    assert ids(inbox.receive(10)) == ["a"]
    for _ in redis_cluster.move("{iris}", source):
        pass
    consumer.close()
    inbox.close()


def test_a_cluster_survives_what_its_weakest_node_survives(redis_cluster: RedisCluster, broker: Broker) -> None:
    for node in redis_cluster.primaries[1:]:
        with node.client() as client:
            client.config_set("appendonly", "yes")
    assert broker.durability().survives is Survives.NOTHING
    with redis_cluster.primaries[0].client() as client:
        client.config_set("appendonly", "yes")
    assert broker.durability().survives is Survives.PROCESS_CRASH
    for node in redis_cluster.primaries:
        with node.client() as client:
            client.config_set("appendonly", "no")


def test_a_server_that_is_no_cluster_says_so(redis_server: RedisServer) -> None:
    url = redis_server.url.replace("redis://", "redis+cluster://")
    with connect(url) as broker, pytest.raises(BrokerRefused, match="cluster support disabled"):
        broker.models()


def test_nodes_that_cannot_be_reached_are_waited_for() -> None:
    url = f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{free_port()}"
    with connect(url) as broker, pytest.raises(BrokerUnavailable, match="refused"):
        send(broker, ask())


def test_a_primary_that_dies_is_replaced_by_its_replica_and_nothing_that_replicas_confirmed_is_lost(
    tmp_path: Path,
) -> None:
    with RedisCluster(tmp_path, replicas=1) as cluster:
        with Flow(f"{cluster.url}?wait_replicas=1") as flow:
            flow.at_least(100)
            died = cluster.owner("{iris}")
            died.kill()
            eventually(lambda: cluster.owner("{iris}") is not died, 30)
            died.start()  # as a replica; without one no request counts as accepted
            flow.at_least(100)
            assert flow.ebb() == set()
        assert flow.unknown == set()
