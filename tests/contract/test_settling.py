"""`Consumer.settle`: the result is published and the request forgotten, in one step and once."""

import pytest
from contract.conftest import MakeBroker
from contract.making import answer, ask, drain, failure, hold, ids, nothing_is_left, receive, send

from predictq_broker.messages import NPY, TEXT, Code, Outcome, Result, Timings, Verdict
from predictq_broker.port import Broker, Capacity, Consumer, Inbox


def test_a_result_arrives_as_it_was_settled(broker: Broker, consumer: Consumer, inbox: Inbox) -> None:
    (delivery,) = hold(broker, consumer, ask("a", reply_to=inbox.name))
    result = Result(
        id="a",
        status=Code.OK,
        body=b"\x93NUMPY\x00\xff",
        model="iris",
        version=7,
        digest="sha256:0123",
        route="canary",
        content_type=NPY,
        timings=Timings(0.25, 0.002, 0.125),
        retry_after=1.5,
    )
    assert list(consumer.settle([Outcome(delivery, result)])) == [Outcome(delivery, result)]
    assert list(inbox.receive(1)) == [result]


@pytest.mark.parametrize("code", list(Code))
def test_every_code_arrives(broker: Broker, consumer: Consumer, inbox: Inbox, code: Code) -> None:
    (delivery,) = hold(broker, consumer, ask("a", reply_to=inbox.name))
    consumer.settle([failure(delivery, code, "it is so — ü")])
    (result,) = inbox.receive(1)
    assert (result.status, result.body.decode(), result.content_type) == (code, "it is so — ü", TEXT)
    assert (result.version, result.digest, result.route) == (0, "", "")


def test_settling_forgets_the_request(broker: Broker, consumer: Consumer) -> None:
    consumer.settle([answer(delivery) for delivery in hold(broker, consumer, ask("a"), ask("b"))])
    consumer.close()
    assert nothing_is_left(broker)


def test_settling_twice_settles_once(broker: Broker, consumer: Consumer, inbox: Inbox) -> None:
    (delivery,) = hold(broker, consumer, ask("a", reply_to=inbox.name))
    assert len(consumer.settle([answer(delivery)])) == 1
    assert list(consumer.settle([answer(delivery)])) == []
    assert ids(drain(inbox)) == ["a"]


def test_one_delivery_twice_in_a_call_is_settled_once(broker: Broker, consumer: Consumer, inbox: Inbox) -> None:
    (delivery,) = hold(broker, consumer, ask("a", reply_to=inbox.name))
    assert len(consumer.settle([answer(delivery, b"first"), answer(delivery, b"second")])) == 1
    assert [result.body for result in drain(inbox)] == [b"first"]


def test_a_repeated_settle_never_touches_a_later_request(broker: Broker, consumer: Consumer, inbox: Inbox) -> None:
    (first,) = hold(broker, consumer, ask("a", reply_to=inbox.name))
    consumer.settle([answer(first)])
    (second,) = hold(broker, consumer, ask("b", reply_to=inbox.name))
    assert list(consumer.settle([answer(first)])) == []
    assert len(consumer.settle([answer(second)])) == 1
    assert ids(drain(inbox)) == ["a", "b"]


def test_only_those_still_held_are_settled(broker: Broker, consumer: Consumer, inbox: Inbox) -> None:
    held = hold(broker, consumer, *[ask(name, reply_to=inbox.name) for name in "abc"])
    consumer.settle([answer(held[1])])
    settled = consumer.settle([answer(delivery) for delivery in held])
    assert ids([outcome.delivery for outcome in settled]) == ["a", "c"]
    assert sorted(ids(drain(inbox))) == ["a", "b", "c"]


def test_what_was_released_cannot_be_settled(broker: Broker, consumer: Consumer, inbox: Inbox) -> None:
    held = hold(broker, consumer, ask("a", reply_to=inbox.name))
    consumer.release(held)
    assert list(consumer.settle([answer(held[0])])) == []
    assert drain(inbox) == []
    assert ids(receive(consumer)) == ["a"]


def test_releasing_twice_gives_back_once(broker: Broker, consumer: Consumer) -> None:
    held = hold(broker, consumer, ask("a"))
    consumer.release(held)
    consumer.release(held)
    assert ids(receive(consumer)) == ["a"]


def test_another_consumers_delivery_is_left_alone(broker: Broker, consumer: Consumer, inbox: Inbox) -> None:
    (delivery,) = hold(broker, consumer, ask("a", reply_to=inbox.name))
    other = broker.consumer("other")
    receive(other)
    assert list(other.settle([answer(delivery)])) == []
    assert len(consumer.settle([answer(delivery)])) == 1
    other.close()


def test_a_request_that_nobody_wants_answered_is_settled_too(broker: Broker, consumer: Consumer) -> None:
    (delivery,) = hold(broker, consumer, ask("a", reply_to=""))
    assert len(consumer.settle([answer(delivery)])) == 1


def test_settling_works_on_a_full_broker(make_broker: MakeBroker, consumer: Consumer, inbox: Inbox) -> None:
    broker = make_broker(queue_requests=2, unread_results=1)
    held = hold(broker, consumer, ask("a", reply_to=inbox.name), ask("b", reply_to=inbox.name))
    full = Verdict.QUEUE_FULL if broker.capabilities.figures else Verdict.ACCEPTED
    assert list(broker.send([ask("c")])) == [full]
    assert len(consumer.settle([answer(delivery) for delivery in held])) == 2
    assert sorted(ids(drain(inbox))) == ["a", "b"]


def test_one_call_may_settle_for_several_models_and_reply_tos(broker: Broker, consumer: Consumer) -> None:
    inboxes = [broker.inbox(), broker.inbox()]
    for inbox in inboxes:
        for model in ("iris", "digits"):
            inbox.expect(model)
            send(broker, ask(f"{model}.{inbox.name}", model=model, reply_to=inbox.name))
    held = consumer.receive({"iris": Capacity(9), "digits": Capacity(9)}, 0)
    assert len(consumer.settle([answer(delivery) for delivery in held])) == 4
    for inbox in inboxes:
        assert sorted(ids(drain(inbox))) == [f"digits.{inbox.name}", f"iris.{inbox.name}"]
        inbox.close()


def test_settling_nothing_is_no_error(consumer: Consumer) -> None:
    assert list(consumer.settle([])) == []
    assert list(consumer.bury([])) == []
    consumer.release([])
