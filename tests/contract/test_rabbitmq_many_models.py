"""A consumer of more models than a server can make queues for in a moment."""

from contract.making import answer, ask, eventually, ids, send
from contract.rabbitmq_alone import broker, url
from rabbitmq import RabbitServer

from predictq_broker.port import Broker, Capacity, Consumer

__all__ = ["broker", "url"]

MODELS = [f"model-{number:03}" for number in range(200)]
WANTS = dict.fromkeys(MODELS, Capacity(100))


def test_a_model_is_served_as_soon_as_its_own_queue_is_there(
    rabbitmq_server: RabbitServer, url: str, broker: Broker, consumer: Consumer
) -> None:
    send(broker, ask("a", model=MODELS[-1]))
    found = eventually(lambda: consumer.receive(WANTS, 1.0))
    made = rabbitmq_server.ctl("list_queues", "-p", url.rpartition("/")[2], "name").split()
    assert ids(found) == ["a"]
    assert len([name for name in made if ".requests." in name]) < 4 * len(MODELS)
    assert len(consumer.settle([answer(delivery) for delivery in found])) == 1


def test_who_leaves_while_queues_are_made_leaves_nothing_behind_that_takes_requests(
    broker: Broker, consumer: Consumer
) -> None:
    consumer.receive(WANTS, 0)
    consumer.close()
    send(broker, ask("a", model=MODELS[0]), ask("b", model=MODELS[0]))
    other = broker.consumer("other")
    found = eventually(lambda: other.receive({MODELS[0]: Capacity(10)}, 1.0))
    assert [(delivery.request.id, delivery.attempt) for delivery in found] == [("a", 1), ("b", 1)]
    other.close()
