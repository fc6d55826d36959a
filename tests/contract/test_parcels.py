"""`Broker.send(first=True)`: however an engine keeps like requests together, each is still a request of its own."""

from collections.abc import Sequence

import pytest
from contract.conftest import MakeBroker
from contract.making import answer, ask, drain, eventually, failure, ids, nothing_is_left, receive

from predictq_broker.messages import Code, Delivery, Outcome, Priority, Request, ResultDelivery, Verdict
from predictq_broker.port import Broker, Capacity, Consumer, Inbox

LEASE = 0.4  # seconds; a busy machine pauses a process for half of that


def alike(names: str, **headers: object) -> list[Request]:
    """A request for each letter, with a body of its own; they have all else in common."""
    return [ask(f"made-together-00{name}", body=f"[[{name!r}]]".encode(), **headers) for name in names]


def offer(broker: Broker, requests: Sequence[Request]) -> None:
    """Send requests for the first time, which must all be accepted."""
    assert list(broker.send(requests, first=True)) == [Verdict.ACCEPTED] * len(requests)


def letters(found: Sequence[object]) -> str:
    """The last letters of the ids."""
    return "".join(name[-1] for name in ids(found))  # type: ignore[arg-type]  # deliveries or results


@pytest.fixture
def held(broker: Broker, consumer: Consumer, inbox: Inbox) -> Sequence[Delivery]:
    """Five that came together, asked by the inbox, in the consumer's hands."""
    offer(broker, alike("abcde", reply_to=inbox.name))
    held = receive(consumer)
    assert letters(held) == "abcde"
    return held


def test_requests_come_as_they_were_sent(broker: Broker, consumer: Consumer) -> None:
    requests = [
        *alike("ab"),
        *alike("cd", reply_to="q", ttl=90.0, rows=2, key="k", method="predict_proba"),
        ask("e", body=b""),
        *alike("fg", content_type="text/\udcff"),
        *alike("hi", traceparent="00-1-2-01"),
    ]
    offer(broker, requests[:5])
    offer(broker, requests[7:])
    got = receive(consumer)
    assert [delivery.request for delivery in got] == requests[:5] + requests[7:]
    assert [delivery.attempt for delivery in got] == [1] * 7
    assert len({repr(delivery.tag) for delivery in got}) == 7
    assert [delivery.expires < float("inf") for delivery in got] == [
        delivery.request.ttl is not None for delivery in got
    ]


def test_more_than_fit_in_one_row_come_in_their_order(broker: Broker, consumer: Consumer) -> None:
    large = [ask(f"large-{n:03}", body=bytes([n]) * 30_000) for n in range(7)]
    small = [ask(f"small-{n:03}", body=b"%d" % n) for n in range(150)]
    offer(broker, [*small, *large])
    got: list[Delivery] = []
    eventually(lambda: got.extend(receive(consumer, 1000)) or len(got) == 157)
    assert [delivery.request for delivery in got] == [*small, *large]
    assert len(consumer.settle([answer(delivery) for delivery in got])) == 157
    assert receive(consumer) == []


def test_priorities_stay_apart(broker: Broker, consumer: Consumer) -> None:
    offer(broker, [*alike("ab", priority=Priority.LOW), *alike("cd"), *alike("ef", priority=Priority.HIGH)])
    assert letters(receive(consumer)) == "efcdab"


def test_each_answer_reaches_its_requester_though_they_come_in_parts(
    broker: Broker, consumer: Consumer, inbox: Inbox, held: Sequence[Delivery]
) -> None:
    for part in (held[1:3], held[4:], held[:1], held[3:4]):
        assert len(consumer.settle([answer(delivery, delivery.request.body) for delivery in part])) == len(part)
    results = drain(inbox)
    assert letters(results) == "bcead"
    assert [result.body for result in results] == [held[place].request.body for place in (1, 2, 4, 0, 3)]
    assert broker.stats("iris").queued == 0


def test_answers_that_differ_in_more_than_their_outputs_stay_apart(
    consumer: Consumer, inbox: Inbox, held: Sequence[Delivery]
) -> None:
    results = [answer(delivery, delivery.request.body).result for delivery in held]
    results[1] = results[1]._replace(version=4)
    results[2] = failure(held[2], Code.INVALID_INPUT, "no rows").result
    results[3] = results[3]._replace(status=Code.MODEL_ERROR)
    assert len(consumer.settle(list(map(Outcome, held, results)))) == 5
    assert drain(inbox) == results


@pytest.mark.usefixtures("dedup")
def test_a_settle_repeated_because_its_answer_was_lost_settles_nothing_twice(
    broker: Broker, consumer: Consumer, inbox: Inbox, held: Sequence[Delivery]
) -> None:
    outcomes = [answer(delivery) for delivery in held]
    assert len(consumer.settle(outcomes[:2])) == 2
    assert [outcome.result.id[-1] for outcome in consumer.settle(outcomes[1:4])] == ["c", "d"]
    assert [outcome.result.id[-1] for outcome in consumer.settle([*outcomes, *outcomes])] == ["e"]
    assert list(consumer.settle(outcomes)) == []
    assert list(consumer.bury(outcomes)) == []
    consumer.release(held)
    assert letters(drain(inbox)) == "abcde"
    consumer.close()
    assert nothing_is_left(broker)


@pytest.mark.usefixtures("dedup")
def test_what_is_settled_twice_in_one_call_is_settled_once(
    broker: Broker, consumer: Consumer, inbox: Inbox, held: Sequence[Delivery]
) -> None:
    first = [answer(delivery, b"first") for delivery in held]
    second = [answer(delivery, b"second") for delivery in held]
    assert consumer.settle([*first[:3], *second]) == [*first[:3], *second[3:]]
    assert sorted((result.id[-1], result.body) for result in drain(inbox)) == [
        ("a", b"first"), ("b", b"first"), ("c", b"first"), ("d", b"second"), ("e", b"second")
    ]  # fmt: skip
    consumer.close()
    assert nothing_is_left(broker)


def test_what_is_released_before_the_others_are_settled_comes_again_once(
    consumer: Consumer, inbox: Inbox, held: Sequence[Delivery]
) -> None:
    consumer.release(held[:1])
    consumer.release([held[0], held[3]])
    assert list(consumer.settle([answer(held[0]), answer(held[3])])) == []
    assert len(consumer.settle([answer(delivery) for delivery in (held[1], held[2], held[4])])) == 3
    again = receive(consumer)
    assert letters(again) == "ad"
    assert len(consumer.settle([answer(delivery) for delivery in again])) == 2
    assert sorted(letters(drain(inbox))) == list("abcde")


@pytest.mark.usefixtures("figures")
def test_what_waits_and_what_is_held_is_counted_one_by_one(broker: Broker, consumer: Consumer) -> None:
    offer(broker, alike("abcde"))
    assert broker.stats("iris")[:2] == (5, 0)
    held = receive(consumer)
    assert broker.stats("iris")[:2] == (0, 5)
    consumer.settle([answer(delivery) for delivery in held[:2]])
    assert broker.stats("iris")[:2] == (0, 3)
    consumer.release(held[2:4])
    eventually(lambda: broker.stats("iris").queued + (broker.stats("iris").in_flight or 0) == 3)
    consumer.settle([answer(held[4])])
    assert broker.stats("iris")[:2] == (2, 0)


@pytest.mark.usefixtures("attempts")
def test_a_dead_consumer_leaves_to_the_next_what_it_had_not_answered(
    broker: Broker, make_broker: MakeBroker, inbox: Inbox
) -> None:
    if not broker.capabilities.on_demand:
        pytest.skip("the broker itself gives back, when the connection ends")
    silent, other = broker.consumer("silent", lease=LEASE), make_broker().consumer("other", lease=LEASE)
    offer(broker, alike("abcde", reply_to=inbox.name))
    held = receive(silent)
    assert len(silent.settle([answer(held[1]), answer(held[3])])) == 2
    receive(other)
    given_back = 0

    def fenced() -> bool:
        nonlocal given_back
        other.renew()
        given_back += other.reclaim()
        return given_back > 0

    eventually(fenced)
    assert given_back == 3
    assert list(silent.settle([answer(delivery) for delivery in held])) == []
    assert silent.renew() == 3
    again = receive(other)
    assert [(delivery.request.id[-1], delivery.attempt) for delivery in again] == [("a", 2), ("c", 2), ("e", 2)]
    assert len(other.settle([answer(delivery) for delivery in again])) == 3
    assert letters(drain(inbox)) == "bdace"
    other.close()
    silent.close()
    assert nothing_is_left(broker)


def test_what_is_given_back_comes_again_unharmed_once_none_of_it_is_held(
    broker: Broker, consumer: Consumer, held: Sequence[Delivery]
) -> None:
    consumer.release(held[1:3])
    consumer.settle([answer(held[0])])
    consumer.settle([answer(delivery) for delivery in held[3:]])
    again: list[Delivery] = []
    eventually(lambda: again.extend(receive(consumer)) or len(again) == 2)
    assert [(delivery.request.id[-1], delivery.attempt) for delivery in again] == [("b", 1), ("c", 1)]
    assert len(consumer.settle([answer(delivery) for delivery in again])) == 2
    assert broker.stats("iris").queued == 0


def test_closing_gives_back_what_is_not_answered(broker: Broker, consumer: Consumer, held: Sequence[Delivery]) -> None:
    consumer.settle([answer(held[2])])
    consumer.close()
    other = broker.consumer("other", lease=60.0)
    again: list[Delivery] = []
    eventually(lambda: again.extend(receive(other)) or len(again) == 4)
    assert [(delivery.request.id[-1], delivery.attempt) for delivery in again] == [(name, 1) for name in "abde"]
    other.close()


@pytest.mark.usefixtures("cancel")
def test_one_that_waits_is_withdrawn_and_may_be_asked_again(broker: Broker, consumer: Consumer, inbox: Inbox) -> None:
    requests = alike("abcde", reply_to=inbox.name)
    offer(broker, requests)
    assert list(broker.cancel("iris", [requests[2].id, requests[2].id])) == [requests[2].id]
    assert [(result.id, result.status) for result in drain(inbox)] == [(requests[2].id, Code.CANCELLED)]
    assert list(broker.send(requests[1:3])) == [Verdict.DUPLICATE, Verdict.ACCEPTED]
    assert letters(receive(consumer)) == "abdec"
    assert list(broker.cancel("iris", [request.id for request in requests])) == []


@pytest.mark.usefixtures("cancel", "figures")
def test_withdrawing_all_leaves_nothing(broker: Broker) -> None:
    requests = alike("abc")
    offer(broker, requests)
    assert sorted(broker.cancel("iris", [request.id for request in requests])) == [request.id for request in requests]
    assert nothing_is_left(broker)


@pytest.mark.usefixtures("cancel")
def test_what_is_held_is_not_withdrawn_and_what_was_given_back_is(
    broker: Broker, consumer: Consumer, inbox: Inbox, held: Sequence[Delivery]
) -> None:
    assert list(broker.cancel("iris", [held[0].request.id])) == []
    consumer.settle([answer(held[0])])
    consumer.release(held[1:])
    assert list(broker.cancel("iris", [held[0].request.id, held[1].request.id])) == [held[1].request.id]
    assert letters(drain(inbox)) == "ab"
    assert letters(receive(consumer)) == "cde"


@pytest.mark.usefixtures("dedup")
def test_ids_are_recognised_while_they_wait_are_held_and_were_answered(broker: Broker, consumer: Consumer) -> None:
    requests = alike("abcd")
    other = [request._replace(body=b"2") for request in requests]
    also = [request._replace(ref="3") for request in requests]
    fresh = ask("made-together-00x")
    offer(broker, requests)

    def recognised() -> bool:
        assert list(broker.send([*requests, fresh._replace(id=requests[3].id, body=requests[3].body)])) == (
            [Verdict.DUPLICATE] * 5
        )
        return list(broker.send([*other, *also])) == [Verdict.CONFLICT] * 8

    assert recognised()
    held = receive(consumer)
    assert recognised()
    consumer.settle([answer(delivery) for delivery in held[:2]])
    assert recognised()
    consumer.release(held[2:])
    assert recognised()
    again: list[Delivery] = []
    eventually(lambda: again.extend(receive(consumer)) or len(again) == 2)
    consumer.settle([answer(delivery) for delivery in again])
    assert recognised()
    assert list(broker.send([fresh])) == [Verdict.ACCEPTED]


@pytest.mark.usefixtures("dedup")
def test_ids_are_forgotten_when_their_window_is_over(make_broker: MakeBroker) -> None:
    broker = make_broker(dedup=0.2)
    requests = alike("ab")
    offer(broker, requests)
    eventually(lambda: list(broker.send(requests)) == [Verdict.ACCEPTED, Verdict.ACCEPTED])


@pytest.mark.usefixtures("cancel")
def test_one_that_is_set_aside_can_be_replayed_and_then_withdrawn(
    broker: Broker, consumer: Consumer, inbox: Inbox, held: Sequence[Delivery]
) -> None:
    consumer.settle([answer(held[0])])
    assert len(consumer.bury([failure(held[2], Code.DEAD_LETTERED, "it kills")])) == 1
    assert len(consumer.settle([answer(delivery) for delivery in held])) == 3
    (letter,) = broker.dead("iris").list()
    assert (letter.request, letter.reason, letter.attempts) == (held[2].request, "it kills", 1)
    assert list(broker.send([held[2].request])) == [Verdict.DUPLICATE]
    assert broker.dead("iris").replay() == 1
    assert list(broker.cancel("iris", [held[2].request.id])) == [held[2].request.id]
    assert letters(drain(inbox)) == "acbdec"
    assert receive(consumer) == []


@pytest.mark.usefixtures("figures")
def test_limits_count_each_request_and_each_byte(make_broker: MakeBroker) -> None:
    few = make_broker(queue_requests=4)
    assert list(few.send(alike("abcdef"), first=True)) == [Verdict.ACCEPTED] * 4 + [Verdict.QUEUE_FULL] * 2
    consumer = few.consumer("worker", lease=60.0)
    held = receive(consumer)
    assert letters(held) == "abcd"
    consumer.settle([answer(delivery) for delivery in held[:3]])
    assert list(few.send(alike("ghij"), first=True)) == [Verdict.ACCEPTED] * 3 + [Verdict.QUEUE_FULL]
    consumer.close()
    small = make_broker(queue_bytes=25)
    sized = [ask(f"size-{n}", model="rose", body=b"x" * 10) for n in range(4)]
    assert list(small.send(sized, first=True)) == [Verdict.ACCEPTED] * 2 + [Verdict.QUEUE_FULL] * 2


@pytest.mark.usefixtures("figures")
def test_unread_results_count_one_by_one(make_broker: MakeBroker) -> None:
    broker = make_broker(unread_results=3)
    inbox, consumer = broker.inbox(), broker.consumer("worker", lease=60.0)
    inbox.expect("iris")
    for names in ("abc", "def", "ghi"):
        offer(broker, alike(names, reply_to=inbox.name))
        consumer.settle([answer(delivery) for delivery in receive(consumer)])
        assert list(broker.send(alike("xy", reply_to=inbox.name), first=True)) == [Verdict.RESULTS_FULL] * 2
        assert letters(drain(inbox)) == names
        assert inbox.receive(0) == []  # now the last ones are gone from the broker too
    inbox.close()
    consumer.close()


def test_a_durable_queue_gets_each_answer_for_itself(broker: Broker, consumer: Consumer) -> None:
    reader = broker.subscription("answers", lease=60.0)
    reader.receive(1, 0)
    offer(broker, alike("abc", reply_to="answers"))
    consumer.settle([answer(delivery) for delivery in receive(consumer)])
    got: list[ResultDelivery] = []
    eventually(lambda: got.extend(reader.receive(2, 1)) or len(got) == 3)
    assert letters(got) == "abc"
    assert reader.ack(got[:1]) == 1
    reader.close()
    other = broker.subscription("answers", lease=60.0)
    again: list[ResultDelivery] = []
    eventually(lambda: again.extend(other.receive(9, 1)) or len(again) == 2)
    assert letters(again) == "bc"
    other.close()


def test_a_header_that_nobody_can_read_is_a_fault_of_its_own_requests_only(
    broker: Broker, consumer: Consumer, inbox: Inbox
) -> None:
    offer(broker, [*alike("ab"), *alike("cd", ref="no name!", reply_to=inbox.name), *alike("ef")])
    held = receive(consumer)
    assert [(delivery.request.id[-1], delivery.fault is None) for delivery in held] == [
        *(("a", True), ("b", True), ("c", False)),
        *(("d", False), ("e", True), ("f", True)),
    ]
    consumer.settle([failure(delivery, Code.INVALID_INPUT, "no") for delivery in held])
    assert letters(drain(inbox)) == "cd"


def test_a_capacity_is_crossed_by_what_came_together_and_by_nothing_else(broker: Broker, consumer: Consumer) -> None:
    for names in ("abc", "def", "ghi"):
        offer(broker, alike(names))
    got = letters(consumer.receive({"iris": Capacity(4)}, 0))
    assert got in {"abcd", "abcdef"}
    assert letters(receive(consumer)) == "abcdefghi"[len(got) :]
