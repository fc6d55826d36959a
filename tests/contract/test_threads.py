"""Many threads on one broker: nothing lost, nothing doubled, nothing mixed up."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from contract.conftest import MakeBroker
from contract.making import answer, ask, ids, nothing_is_left, receive, send

from predictq_broker.messages import Result, Verdict
from predictq_broker.port import Broker, Inbox

SENDERS, EACH = 4, 60


def serve(broker: Broker, name: str, done: Event) -> None:
    """Answer each request with its own body until all is done."""
    consumer = broker.consumer(name)
    while not done.is_set():
        deliveries = receive(consumer, 16, wait=0.05)
        consumer.settle([answer(delivery, delivery.request.body) for delivery in deliveries])
        consumer.renew()
        consumer.reclaim()
    consumer.close()


def submit(broker: Broker, inbox: Inbox, sender: int) -> None:
    for n in range(EACH):
        name = f"{sender}.{n}"
        send(broker, ask(name, body=name.encode(), reply_to=inbox.name))


def collect(inbox: Inbox) -> list[Result]:
    found: list[Result] = []
    while len(found) < SENDERS * EACH and (more := inbox.receive(10)):
        found += more
    return found


def test_every_request_is_answered_once_with_its_own_answer(
    broker: Broker, make_broker: MakeBroker, inbox: Inbox
) -> None:
    done = Event()
    with ThreadPoolExecutor(SENDERS + 4) as pool:
        brokers = (broker, broker, make_broker())
        workers = [pool.submit(serve, each, f"worker{n}", done) for n, each in enumerate(brokers)]
        senders = [pool.submit(submit, broker, inbox, sender) for sender in range(SENDERS)]
        found = pool.submit(collect, inbox).result()
        done.set()
        for future in (*senders, *workers):
            future.result()
    assert sorted(ids(found)) == sorted(f"{sender}.{n}" for sender in range(SENDERS) for n in range(EACH))
    assert all(result.body == result.id.encode() for result in found)
    assert list(inbox.receive(0)) == []
    assert nothing_is_left(broker)


@pytest.mark.usefixtures("dedup", "asked_twice")
def test_one_id_sent_by_many_at_once_is_accepted_once(broker: Broker, make_broker: MakeBroker) -> None:
    brokers = [broker, make_broker(), broker, make_broker()]
    with ThreadPoolExecutor(4) as pool:
        verdicts = [list(found) for found in pool.map(lambda each: each.send([ask("a")]), brokers)]
    assert sorted(verdicts) == [[Verdict.ACCEPTED], *[[Verdict.DUPLICATE]] * 3]
    assert broker.stats("iris").queued == 1
