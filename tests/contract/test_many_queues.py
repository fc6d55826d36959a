"""`Consumer.receive` from more queues than are looked at one by one."""

from collections import Counter
from itertools import groupby
from operator import itemgetter

import pytest
from contract.conftest import MakeBroker
from contract.making import answer, ask, drain, eventually, ids, in_background, let_pass, nothing_is_left, send

from predictq_broker.messages import Delivery, Priority
from predictq_broker.port import Broker, Capacity, Consumer, Inbox

MODELS = [f"model-{number:02}" for number in range(24)]


def wants(most: int = 100) -> dict[str, Capacity]:
    return dict.fromkeys(MODELS, Capacity(most))


def send_each(broker: Broker, *names: str, priority: Priority = Priority.NORMAL) -> None:
    """Requests of these ids, each for the model that its id begins with."""
    for model, some in groupby(sorted(names), key=itemgetter(slice(8))):
        send(broker, *[ask(name, model=model, priority=priority) for name in some])


def until(consumer: Consumer, count: int, most: int = 100) -> list[Delivery]:
    """What comes of so many requests, however many reads that takes."""
    found: list[Delivery] = []
    eventually(lambda: len(found.__iadd__(consumer.receive(wants(most), 0.05))) >= count)
    return found


def test_whatever_comes_to_any_of_many_queues_is_received_once(broker: Broker, consumer: Consumer) -> None:
    assert list(consumer.receive(wants(), 0)) == []
    names = [f"{model}.{n}" for n in range(3) for model in MODELS]
    send_each(broker, *names)
    deliveries = until(consumer, len(names))
    assert Counter(ids(deliveries)) == Counter(names)
    assert all(delivery.request.model == delivery.request.id[:8] for delivery in deliveries)
    for model in MODELS:
        assert ids([d for d in deliveries if d.request.model == model]) == [f"{model}.{n}" for n in range(3)]
    consumer.settle([answer(delivery) for delivery in deliveries])
    consumer.close()
    assert all(nothing_is_left(broker, model) for model in MODELS)


def test_who_waits_at_many_queues_is_woken_by_any(broker: Broker, consumer: Consumer) -> None:
    consumer.receive(wants(), 0)
    reading = in_background(lambda: until(consumer, 1))
    let_pass(0.2)
    send(broker, ask("a", model=MODELS[17]))
    assert ids(reading.result()) == ["a"]


@pytest.mark.usefixtures("one_by_one", "on_demand")
def test_of_many_queues_none_gives_more_than_there_is_room_for(broker: Broker, consumer: Consumer) -> None:
    consumer.receive(wants(), 0)
    names = [f"{model}.{n}" for n in range(4) for model in MODELS[:18]]
    send_each(broker, *names)
    received: list[Delivery] = []
    while len(received) < len(names):
        some = consumer.receive(wants(2), 5.0)
        assert max(Counter(delivery.request.model for delivery in some).values()) <= 2
        consumer.settle([answer(delivery) for delivery in some])
        received += some
    assert Counter(ids(received)) == Counter(names)


@pytest.mark.usefixtures("on_demand")
def test_what_others_give_back_to_one_of_many_queues_is_found(
    broker: Broker, consumer: Consumer, make_broker: MakeBroker
) -> None:
    other = make_broker().consumer("other")
    send_each(broker, *MODELS)
    theirs = until(other, len(MODELS))
    assert list(consumer.receive(wants(), 0)) == []
    other.release(theirs)
    again = until(consumer, len(MODELS))
    assert Counter(ids(again)) == Counter(MODELS)
    assert {delivery.attempt for delivery in again} == {1}
    other.close()


@pytest.mark.usefixtures("attempts")
def test_what_a_dead_consumer_held_of_many_queues_comes_back(
    broker: Broker, consumer: Consumer, make_broker: MakeBroker
) -> None:
    dead = make_broker().consumer("dead", 0.3)
    send_each(broker, *MODELS)
    until(dead, len(MODELS))
    found: list[Delivery] = []

    def take_over() -> bool:
        consumer.renew()
        consumer.reclaim()
        found.extend(consumer.receive(wants(), 0.05))
        return len(found) >= len(MODELS)

    eventually(take_over)
    assert Counter(ids(found)) == Counter(MODELS)
    assert {delivery.attempt for delivery in found} == {2}
    dead.close()


@pytest.mark.usefixtures("on_demand")
def test_of_each_of_many_queues_what_is_urgent_comes_first(broker: Broker, consumer: Consumer) -> None:
    consumer.receive(wants(), 0)
    send_each(broker, *[f"{model}.low" for model in MODELS[:18]], priority=Priority.LOW)
    send_each(broker, *[f"{model}.high" for model in MODELS[:18]], priority=Priority.HIGH)
    found = ids(until(consumer, 36))
    assert all(found.index(f"{model}.high") < found.index(f"{model}.low") for model in MODELS[:18])


def test_answers_of_many_models_are_settled_in_one_call_and_what_is_not_ours_is_left_out(
    broker: Broker, consumer: Consumer, inbox: Inbox
) -> None:
    for model in MODELS:
        inbox.expect(model)
        send(broker, *[ask(f"{model}.{n}", model=model, reply_to=inbox.name) for n in range(3)])
    deliveries = until(consumer, 3 * len(MODELS))
    assert len(consumer.settle([answer(deliveries[0]), answer(deliveries[-1])])) == 2
    settled = consumer.settle([answer(delivery) for delivery in deliveries])
    assert Counter(outcome.delivery.request.id for outcome in settled) == Counter(ids(deliveries[1:-1]))
    assert Counter(ids(drain(inbox))) == Counter(ids(deliveries))
    consumer.close()
    assert all(nothing_is_left(broker, model) for model in MODELS)
