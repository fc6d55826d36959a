"""What an operator asks: figures, models, durability, capabilities; and closing."""

import pytest
from contract.conftest import MakeBroker
from contract.making import answer, ask, eventually, failure, hold, let_pass, nothing_is_left, send

from predictq_broker.capabilities import Capabilities, Durability, Survives
from predictq_broker.errors import InvalidName
from predictq_broker.messages import Code, Priority
from predictq_broker.port import Broker, Capacity, Consumer, Inbox, Limits


def test_a_model_never_seen_has_nothing(broker: Broker) -> None:
    assert nothing_is_left(broker, "unseen")
    assert list(broker.models()) == []


@pytest.mark.usefixtures("figures")
def test_the_figures_follow_the_requests(broker: Broker, consumer: Consumer) -> None:
    send(broker, *[ask(priority, priority=priority) for priority in Priority], ask("one-more"))
    assert broker.stats("iris")[:2] == (4, 0)
    held = consumer.receive({"iris": Capacity(3)}, 0)
    assert broker.stats("iris")[:2] == (1, 3)
    consumer.settle([answer(held[0])])
    assert broker.stats("iris")[:2] == (1, 2)
    consumer.release([held[1]])
    assert broker.stats("iris")[:2] == (2, 1)
    consumer.bury([failure(held[2], Code.DEAD_LETTERED, "no")])
    assert broker.stats("iris")[:2] == (2, 0)
    assert broker.stats("iris").dead == 1


@pytest.mark.usefixtures("figures")
def test_the_oldest_unsettled_request_gives_the_age_held_or_not(broker: Broker, consumer: Consumer) -> None:
    send(broker, ask("a"))
    let_pass(0.1)
    send(broker, ask("b", priority=Priority.HIGH))
    assert 0.09 <= broker.stats("iris").oldest < 10
    held = consumer.receive({"iris": Capacity(2)}, 0)
    assert broker.stats("iris").oldest >= 0.09
    consumer.settle([answer(delivery) for delivery in held])
    assert broker.stats("iris").oldest == 0.0


@pytest.mark.usefixtures("attempts")
def test_a_consumer_is_counted_where_it_reads_while_its_lease_lives(broker: Broker, make_broker: MakeBroker) -> None:
    first, second = broker.consumer("first", lease=1.0), make_broker().consumer("second", lease=30.0)
    first.receive({"iris": Capacity(1), "digits": Capacity(1)}, 0)
    second.receive({"iris": Capacity(1)}, 0)
    assert (broker.stats("iris").consumers, broker.stats("digits").consumers) == (2, 1)
    eventually(lambda: [second.reclaim(), broker.stats("iris").consumers] == [0, 1])
    second.close()
    first.close()
    assert broker.stats("iris").consumers == 0


def test_the_models_are_those_seen_sorted(broker: Broker) -> None:
    for model in ("wine", "digits", "iris"):
        send(broker, ask(model=model))
    assert list(broker.models()) == ["digits", "iris", "wine"]


def test_after_everything_is_done_nothing_is_left(broker: Broker, consumer: Consumer, inbox: Inbox) -> None:
    held = hold(broker, consumer, *[ask(reply_to=inbox.name) for _ in range(5)])
    consumer.release(held[:1])
    consumer.settle([answer(delivery) for delivery in held[1:]])
    consumer.settle([answer(delivery) for delivery in consumer.receive({"iris": Capacity(9)}, 1)])
    consumer.close()
    assert nothing_is_left(broker)


def test_another_connection_sees_the_same(broker: Broker, make_broker: MakeBroker) -> None:
    send(broker, ask("a"))
    assert make_broker().stats("iris").queued == 1


def test_the_broker_says_what_it_survives_and_why(broker: Broker) -> None:
    durability = broker.durability()
    assert isinstance(durability, Durability)
    assert durability.survives in Survives
    assert len(durability.because) > 10


def test_the_broker_knows_its_limits_and_capabilities(make_broker: MakeBroker) -> None:
    broker = make_broker(queue_requests=7)
    assert broker.limits == Limits(queue_requests=7)
    assert isinstance(broker.capabilities, Capabilities)
    assert broker.capabilities.engine


def test_a_broker_closes_itself_at_the_end_of_its_block(make_broker: MakeBroker) -> None:
    with make_broker() as broker:
        send(broker, ask("a"))
    broker.close()


@pytest.mark.parametrize("bad", ["", "a b", "../x", "{x}"])
def test_a_dead_letter_queue_needs_a_models_name(broker: Broker, bad: str) -> None:
    with pytest.raises(InvalidName):
        broker.dead(bad)
