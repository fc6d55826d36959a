"""`Inbox`: private, read once, gone with its client."""

import time

import pytest
from contract.conftest import MakeBroker
from contract.making import answer, ask, drain, eventually, hold, ids, in_background, let_pass, receive, send

from predictq_broker.messages import Verdict
from predictq_broker.names import INBOX_PREFIX
from predictq_broker.port import Broker, Capacity, Consumer, Inbox


def answered(broker: Broker, consumer: Consumer, inbox: Inbox, *names: str) -> None:
    held = hold(broker, consumer, *[ask(name, reply_to=inbox.name) for name in names])
    assert len(consumer.settle([answer(delivery) for delivery in held])) == len(names)


def test_each_inbox_has_a_name_of_its_own(broker: Broker) -> None:
    inboxes = [broker.inbox() for _ in range(3)]
    assert len({inbox.name for inbox in inboxes}) == 3
    assert all(inbox.name.startswith(INBOX_PREFIX) for inbox in inboxes)
    for inbox in inboxes:
        inbox.close()


def test_each_result_comes_once_and_in_order(broker: Broker, consumer: Consumer, inbox: Inbox) -> None:
    answered(broker, consumer, inbox, "a", "b")
    answered(broker, consumer, inbox, "c")
    assert ids(drain(inbox)) == ["a", "b", "c"]
    assert drain(inbox) == []


def test_what_was_read_by_who_was_interrupted_comes_once_more_with_what_is_new(
    broker: Broker, consumer: Consumer, inbox: Inbox
) -> None:
    if not inbox.repeats:
        pytest.skip(f"{broker.capabilities.engine} does not repeat")
    answered(broker, consumer, inbox, "a", "b")
    assert ids(drain(inbox)) == ["a", "b"]
    answered(broker, consumer, inbox, "c", "d")
    assert ids(inbox.receive(15)) == ["c", "d"]
    inbox.repeat()
    answered(broker, consumer, inbox, "e")
    assert ids(inbox.receive(15))[-3:] == ["c", "d", "e"]
    assert drain(inbox) == []


def test_many_results_all_come(broker: Broker, consumer: Consumer, inbox: Inbox) -> None:
    names = [f"r{n}" for n in range(5000)]
    for start in range(0, 5000, 1000):
        answered(broker, consumer, inbox, *names[start : start + 1000])
    assert ids(drain(inbox)) == names


def test_one_inbox_reads_nothing_of_another(broker: Broker, consumer: Consumer, inbox: Inbox) -> None:
    other = broker.inbox()
    other.expect("iris")
    answered(broker, consumer, inbox, "a")
    assert drain(other) == []
    assert ids(drain(inbox)) == ["a"]
    other.close()


def test_results_of_several_models_meet_in_one_inbox(broker: Broker, consumer: Consumer, inbox: Inbox) -> None:
    inbox.expect("digits")
    send(broker, ask("a", reply_to=inbox.name))
    send(broker, ask("b", model="digits", reply_to=inbox.name))
    held = consumer.receive({"iris": Capacity(9), "digits": Capacity(9)}, 0)
    consumer.settle([answer(delivery) for delivery in held])
    assert sorted((result.id, result.model) for result in drain(inbox)) == [("a", "iris"), ("b", "digits")]


def test_a_model_may_be_expected_while_another_thread_waits(broker: Broker, consumer: Consumer, inbox: Inbox) -> None:
    waiting = in_background(lambda: inbox.receive(15))
    let_pass(0.05)
    inbox.expect("digits")
    (delivery,) = hold(broker, consumer, ask("b", model="digits", reply_to=inbox.name))
    consumer.settle([answer(delivery)])
    found = waiting.result() or inbox.receive(15)
    assert ids(found) == ["b"]


def test_without_results_it_waits_and_returns_empty(inbox: Inbox) -> None:
    began = time.monotonic()
    assert list(inbox.receive(0.15)) == []
    assert time.monotonic() - began >= 0.14


def test_a_result_wakes_who_waits(make_broker: MakeBroker, consumer: Consumer, inbox: Inbox) -> None:
    waiting = in_background(lambda: inbox.receive(15))
    let_pass(0.05)
    answered(make_broker(), consumer, inbox, "a")
    began = time.monotonic()
    assert ids(waiting.result()) == ["a"]
    assert time.monotonic() - began < 2


def test_closing_wakes_who_waits_with_nothing(broker: Broker) -> None:
    inbox = broker.inbox()
    inbox.expect("iris")
    waiting = in_background(lambda: inbox.receive(15))
    let_pass(0.05)
    began = time.monotonic()
    inbox.close()
    assert list(waiting.result()) == []
    assert time.monotonic() - began < 2


def test_closing_an_inbox_that_expects_nothing_wakes_who_waits(broker: Broker) -> None:
    inbox = broker.inbox()
    waiting = in_background(lambda: inbox.receive(15))
    let_pass(0.05)
    began = time.monotonic()
    inbox.close()
    assert list(waiting.result()) == []
    assert time.monotonic() - began < 2


def test_closing_removes_what_is_unread(make_broker: MakeBroker, consumer: Consumer) -> None:
    broker = make_broker(unread_results=1)
    inbox = broker.inbox()
    inbox.expect("iris")
    answered(broker, consumer, inbox, "a")
    assert list(broker.send([ask("b", reply_to=inbox.name)])) == [Verdict.RESULTS_FULL]
    inbox.close()
    inbox.close()
    assert list(inbox.receive(0)) == []
    send(broker, ask("b", reply_to=inbox.name))


def test_a_request_whose_inbox_is_closed_is_settled_like_any_other(
    broker: Broker, consumer: Consumer, inbox: Inbox
) -> None:
    (delivery,) = hold(broker, consumer, ask("a", reply_to=inbox.name))
    inbox.close()
    assert len(consumer.settle([answer(delivery)])) == 1


@pytest.mark.usefixtures("expires")
def test_an_inbox_expires_when_its_client_is_gone(make_broker: MakeBroker) -> None:
    ttl = 0.4
    while (left := left_full(make_broker(unread_results=1, inbox_ttl=ttl), ttl)) is None:
        ttl *= 4
    broker, inbox = left
    let_pass(ttl * 1.5)  # where asking how full it is counts as using it, asking again and again would keep it
    eventually(lambda: list(broker.send([ask("b", reply_to=inbox.name)])) == [Verdict.ACCEPTED])
    assert drain(inbox) == []


def left_full(broker: Broker, ttl: float) -> tuple[Broker, Inbox] | None:
    """An inbox that was seen to be full; None if that took so long that it may have expired meanwhile."""
    consumer, inbox = broker.consumer("worker"), broker.inbox()
    began = time.monotonic()
    inbox.expect("iris")
    (delivery,) = hold(broker, consumer, ask(reply_to=inbox.name))
    consumer.settle([answer(delivery)])
    verdicts = list(broker.send([ask(reply_to=inbox.name)]))
    if verdicts == [Verdict.RESULTS_FULL]:
        return broker, inbox
    assert time.monotonic() - began > ttl
    consumer.settle([answer(delivery) for delivery in receive(consumer)])
    consumer.close()
    return None


def test_an_inbox_that_is_read_outlives_its_ttl(make_broker: MakeBroker) -> None:
    broker = make_broker(inbox_ttl=1.0)
    consumer, inbox = broker.consumer("worker"), broker.inbox()
    inbox.expect("iris")
    for n in range(6):
        answered(broker, consumer, inbox, f"r{n}")
        assert ids(inbox.receive(1)) == [f"r{n}"]
        assert list(inbox.receive(0.2)) == []
    (late,) = hold(broker, consumer, ask("late", reply_to=inbox.name))
    assert list(inbox.receive(1.5)) == []
    consumer.settle([answer(late)])
    assert ids(inbox.receive(1)) == ["late"]
    assert receive(consumer) == []
    consumer.close()
    inbox.close()
