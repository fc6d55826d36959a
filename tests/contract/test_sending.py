"""`Broker.send`: every verdict."""

import pytest
from contract.conftest import MakeBroker
from contract.making import answer, ask, drain, eventually, hold, ids, receive, send

from predictq_broker.errors import InvalidName
from predictq_broker.messages import ARROW, Priority, Request, Verdict
from predictq_broker.port import Broker, Consumer, Inbox

ACCEPTED, DUPLICATE, CONFLICT = Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.CONFLICT
QUEUE_FULL, RESULTS_FULL = Verdict.QUEUE_FULL, Verdict.RESULTS_FULL


def test_a_request_arrives_as_it_was_sent(broker: Broker, consumer: Consumer, inbox: Inbox) -> None:
    request = Request(
        model="iris",
        body=b"\x00\xffany bytes\r\n",
        id="order-4711",
        ref="candidate",
        reply_to=inbox.name,
        method="predict_proba",
        content_type=ARROW,
        rows=12,
        ttl=2.5,
        priority=Priority.HIGH,
        key="müller",
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
    (delivery,) = hold(broker, consumer, request)
    assert delivery.request == request
    assert type(delivery.request.priority) is Priority
    assert (delivery.attempt, delivery.fault) == (1, None)


def test_a_request_of_nothing_but_defaults_arrives_as_it_was_sent(broker: Broker, consumer: Consumer) -> None:
    request = Request(model="iris", body=b"", id="a")
    (delivery,) = hold(broker, consumer, request)
    assert delivery.request == request


def test_a_large_body_arrives_whole(broker: Broker, consumer: Consumer) -> None:
    body = bytes(range(256)) * 8192
    (delivery,) = hold(broker, consumer, ask(body=body))
    assert delivery.request.body == body


def test_sending_nothing_is_no_error(broker: Broker) -> None:
    assert list(broker.send([])) == []


@pytest.mark.parametrize("count", [1, 2, 511, 1300])
def test_any_number_is_stored_in_order(broker: Broker, consumer: Consumer, count: int) -> None:
    requests = [ask(f"r{n}") for n in range(count)]
    send(broker, *requests)
    assert ids(receive(consumer, count)) == [request.id for request in requests]


@pytest.mark.usefixtures("dedup")
def test_the_same_id_with_the_same_payload_is_a_duplicate_and_is_not_stored_again(
    broker: Broker, consumer: Consumer
) -> None:
    send(broker, ask("a"))
    assert list(broker.send([ask("a"), ask("b")])) == [DUPLICATE, ACCEPTED]
    assert ids(receive(consumer)) == ["a", "b"]


@pytest.mark.usefixtures("dedup")
def test_a_repeat_within_one_send_is_a_duplicate(broker: Broker, consumer: Consumer) -> None:
    assert list(broker.send([ask("a"), ask("a"), ask("a", body=b"other")])) == [ACCEPTED, DUPLICATE, CONFLICT]
    assert ids(receive(consumer)) == ["a"]


@pytest.mark.usefixtures("dedup")
def test_a_repeat_is_a_duplicate_after_the_answer_too(broker: Broker, consumer: Consumer, inbox: Inbox) -> None:
    consumer.settle([answer(delivery) for delivery in hold(broker, consumer, ask("a", reply_to=inbox.name))])
    assert list(broker.send([ask("a", reply_to=inbox.name)])) == [DUPLICATE]
    assert receive(consumer) == []


@pytest.mark.usefixtures("dedup")
@pytest.mark.parametrize(
    "other",
    [{"ref": "3"}, {"method": "transform"}, {"content_type": "application/x-npy"}, {"body": b"[[5.2]]"}],
    ids=lambda other: next(iter(other)),
)
def test_the_same_id_with_another_payload_is_a_conflict(broker: Broker, other: dict[str, object]) -> None:
    send(broker, ask("a"))
    assert list(broker.send([ask("a", **other)])) == [CONFLICT]


@pytest.mark.usefixtures("dedup")
def test_a_repeat_may_be_answered_elsewhere_sooner_or_more_urgently(broker: Broker) -> None:
    send(broker, ask("a"))
    assert list(broker.send([ask("a", reply_to="answers", ttl=1.0, priority=Priority.HIGH)])) == [DUPLICATE]


def test_an_id_belongs_to_its_model(broker: Broker) -> None:
    send(broker, ask("a"))
    send(broker, ask("a", model="digits", body=b"other"))


@pytest.mark.usefixtures("dedup")
def test_an_id_is_forgotten_when_the_window_is_over(make_broker: MakeBroker, consumer: Consumer) -> None:
    broker = make_broker(dedup=1.0)
    consumer.settle([answer(delivery) for delivery in hold(broker, consumer, ask("a"))])
    assert list(broker.send([ask("a")])) == [DUPLICATE]
    eventually(lambda: list(broker.send([ask("a", body=b"other")])) == [ACCEPTED])
    assert ids(receive(consumer)) == ["a"]


def test_a_queue_that_is_full_accepts_what_fits_and_refuses_all_after_it(
    make_broker: MakeBroker, consumer: Consumer
) -> None:
    broker = make_broker(queue_requests=3)
    verdicts = broker.send([ask(name) for name in "abcde"])
    assert list(verdicts) == [ACCEPTED, ACCEPTED, ACCEPTED, QUEUE_FULL, QUEUE_FULL]
    assert ids(receive(consumer)) == ["a", "b", "c"]


@pytest.mark.usefixtures("dedup")
def test_what_was_refused_may_be_sent_again_under_its_id(make_broker: MakeBroker, consumer: Consumer) -> None:
    broker = make_broker(queue_requests=1)
    assert list(broker.send([ask("a"), ask("b")])) == [ACCEPTED, QUEUE_FULL]
    consumer.settle([answer(delivery) for delivery in receive(consumer)])
    assert list(broker.send([ask("a"), ask("b")])) == [DUPLICATE, ACCEPTED]


@pytest.mark.usefixtures("figures")
def test_a_held_request_still_counts(make_broker: MakeBroker, consumer: Consumer) -> None:
    broker = make_broker(queue_requests=1)
    hold(broker, consumer, ask("a"))
    assert list(broker.send([ask("b")])) == [QUEUE_FULL]


@pytest.mark.usefixtures("dedup")
def test_a_repeat_of_what_fills_the_queue_is_told_so(make_broker: MakeBroker) -> None:
    broker = make_broker(queue_requests=1)
    send(broker, ask("a"))
    assert list(broker.send([ask("a")])) == [DUPLICATE]


def test_a_queue_is_full_by_the_bytes_of_its_bodies_too(make_broker: MakeBroker, consumer: Consumer) -> None:
    broker = make_broker(queue_bytes=1000)
    requests = [ask("a", body=b"x" * 600), ask("b", body=b"x" * 500), ask("c", body=b"x" * 100)]
    assert list(broker.send(requests)) == [ACCEPTED, QUEUE_FULL, QUEUE_FULL]  # c would fit, but overtake b
    consumer.settle([answer(delivery) for delivery in receive(consumer)])
    assert list(broker.send(requests[1:])) == [ACCEPTED, ACCEPTED]


def test_one_full_queue_is_no_other_models_trouble(make_broker: MakeBroker) -> None:
    broker = make_broker(queue_requests=1)
    send(broker, ask("a"))
    send(broker, ask("b", model="digits"))


def test_requests_to_a_reply_to_full_of_unread_results_are_refused_until_they_are_read(
    make_broker: MakeBroker, consumer: Consumer
) -> None:
    broker = make_broker(unread_results=2)
    inbox = broker.inbox()
    inbox.expect("iris")
    held = hold(broker, consumer, ask("a", reply_to=inbox.name), ask("b", reply_to=inbox.name))
    consumer.settle([answer(delivery) for delivery in held])
    verdicts = broker.send([ask("c", reply_to=inbox.name), ask("d", reply_to="elsewhere"), ask("e")])
    assert list(verdicts) == [RESULTS_FULL, ACCEPTED, ACCEPTED]
    assert sorted(ids(drain(inbox))) == ["a", "b"]
    send(broker, ask("c", reply_to=inbox.name))
    inbox.close()


@pytest.mark.parametrize(
    "bad", [{"model": "a/b"}, {"name": "x y"}, {"reply_to": "in{box}"}, {"name": "x" * 129}], ids=str
)
def test_a_bad_name_is_refused_and_nothing_of_its_send_is_stored(
    broker: Broker, consumer: Consumer, bad: dict[str, str]
) -> None:
    with pytest.raises(InvalidName, match="not a name"):
        broker.send([ask("good", model=bad.get("model", "iris")), ask(**bad)])
    assert receive(consumer) == []


def test_a_request_without_an_id_is_refused(broker: Broker) -> None:
    with pytest.raises(InvalidName):
        broker.send([Request(model="iris", body=b"")])


def test_one_send_is_for_one_model(broker: Broker, consumer: Consumer) -> None:
    with pytest.raises(ValueError, match="one model"):
        broker.send([ask("a"), ask("b", model="digits")])
    assert receive(consumer) == []
