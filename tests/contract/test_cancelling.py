"""`Broker.cancel`: what nobody holds yet is withdrawn, and its requester is told."""

import pytest
from contract.conftest import MakeBroker
from contract.making import answer, ask, drain, hold, ids, nothing_is_left, receive, send

from predictq_broker.messages import Code, Priority, Verdict
from predictq_broker.port import Broker, Consumer, Inbox

pytestmark = pytest.mark.usefixtures("cancel")


def test_a_waiting_request_is_withdrawn_and_its_requester_told(
    broker: Broker, consumer: Consumer, inbox: Inbox
) -> None:
    send(broker, ask("a", reply_to=inbox.name), ask("b", reply_to=inbox.name))
    assert list(broker.cancel("iris", ["a"])) == ["a"]
    (result,) = inbox.receive(1)
    assert (result.id, result.status, result.model) == ("a", Code.CANCELLED, "iris")
    assert result.body.decode()
    assert ids(receive(consumer)) == ["b"]


def test_any_priority_can_be_withdrawn(broker: Broker, consumer: Consumer) -> None:
    send(broker, *[ask(priority, priority=priority) for priority in Priority])
    assert sorted(broker.cancel("iris", list(Priority))) == ["high", "low", "normal"]
    assert receive(consumer) == []


def test_a_held_request_runs_on(broker: Broker, consumer: Consumer, inbox: Inbox) -> None:
    (delivery,) = hold(broker, consumer, ask("a", reply_to=inbox.name))
    assert list(broker.cancel("iris", ["a"])) == []
    assert len(consumer.settle([answer(delivery)])) == 1
    assert [result.status for result in drain(inbox)] == [Code.OK]


def test_what_is_answered_or_never_was_cannot_be_withdrawn(broker: Broker, consumer: Consumer, inbox: Inbox) -> None:
    consumer.settle([answer(delivery) for delivery in hold(broker, consumer, ask("a", reply_to=inbox.name))])
    assert list(broker.cancel("iris", ["a", "never", "a", "no name!"])) == []
    assert list(broker.cancel("unseen", ["a"])) == []
    assert ids(drain(inbox)) == ["a"]


def test_what_was_given_back_can_be_withdrawn(broker: Broker, consumer: Consumer) -> None:
    consumer.release(hold(broker, consumer, ask("a"), ask("b")))
    assert list(broker.cancel("iris", ["b"])) == ["b"]
    assert ids(receive(consumer)) == ["a"]


def test_withdrawing_twice_withdraws_once(broker: Broker, inbox: Inbox) -> None:
    send(broker, ask("a", reply_to=inbox.name))
    assert list(broker.cancel("iris", ["a", "a"])) == ["a"]
    assert list(broker.cancel("iris", ["a"])) == []
    assert ids(drain(inbox)) == ["a"]


def test_withdrawing_makes_room_and_leaves_nothing(make_broker: MakeBroker) -> None:
    broker = make_broker(queue_requests=1)
    send(broker, ask("a"))
    broker.cancel("iris", ["a"])
    assert nothing_is_left(broker)
    send(broker, ask("b"))


def test_an_id_that_was_withdrawn_may_be_asked_again(broker: Broker, consumer: Consumer) -> None:
    send(broker, ask("a"))
    broker.cancel("iris", ["a"])
    assert list(broker.send([ask("a", body=b"[[2]]")])) == [Verdict.ACCEPTED]
    assert ids(receive(consumer)) == ["a"]
