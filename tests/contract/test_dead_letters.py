"""`Consumer.bury` and the dead-letter queue."""

import time

import pytest
from contract.conftest import MakeBroker
from contract.making import ask, drain, failure, hold, ids, nothing_is_left, receive, send

from predictq_broker.messages import Code, Priority, Verdict
from predictq_broker.port import Broker, Consumer, Inbox


def bury(broker: Broker, consumer: Consumer, *names: str, reply_to: str = "") -> None:
    held = hold(broker, consumer, *[ask(name, reply_to=reply_to) for name in names])
    outcomes = [failure(delivery, Code.DEAD_LETTERED, f"{delivery.request.id} kills") for delivery in held]
    assert len(consumer.bury(outcomes)) == len(names)


def test_burying_tells_the_requester_and_sets_the_request_aside(
    broker: Broker, consumer: Consumer, inbox: Inbox
) -> None:
    request = ask("a", reply_to=inbox.name, ttl=9.0, rows=3, key="k", priority=Priority.LOW, body=b"\x00\xff")
    (delivery,) = hold(broker, consumer, request)
    assert len(consumer.bury([failure(delivery, Code.DEAD_LETTERED, "it kills the model")])) == 1
    assert [(result.id, result.status) for result in drain(inbox)] == [("a", Code.DEAD_LETTERED)]
    (letter,) = broker.dead("iris").list()
    assert letter.request == request
    assert (letter.reason, letter.attempts) == ("it kills the model", 1)
    assert abs(letter.died - time.time()) < 60
    stats = broker.stats("iris")
    assert (stats.queued, stats.in_flight or 0, stats.oldest or 0.0, stats.dead) == (0, 0, 0.0, 1)


def test_the_oldest_come_first_up_to_the_limit(broker: Broker, consumer: Consumer) -> None:
    bury(broker, consumer, "a", "b", "c")
    assert [letter.request.id for letter in broker.dead("iris").list()] == ["a", "b", "c"]
    assert [letter.request.id for letter in broker.dead("iris").list(2)] == ["a", "b"]


def test_one_is_shown_by_its_tag(broker: Broker, consumer: Consumer) -> None:
    bury(broker, consumer, "a", "b")
    for letter in broker.dead("iris").list():
        assert broker.dead("iris").show(letter.tag) == letter


def test_what_is_no_tag_shows_nothing(broker: Broker, consumer: Consumer) -> None:
    bury(broker, consumer, "a")
    (letter,) = broker.dead("iris").list()
    broker.dead("iris").purge([letter.tag])
    for tag in (letter.tag, "nonsense", "", "999999"):
        assert broker.dead("iris").show(tag) is None


def test_replaying_puts_these_back_with_a_fresh_count(broker: Broker, consumer: Consumer) -> None:
    bury(broker, consumer, "a", "b", "c")
    letters = broker.dead("iris")
    chosen = [letter.tag for letter in letters.list() if letter.request.id != "b"]
    assert letters.replay(chosen) == 2
    again = receive(consumer)
    assert [(delivery.request.id, delivery.attempt) for delivery in again] == [("a", 1), ("c", 1)]
    assert [letter.request.id for letter in letters.list()] == ["b"]


def test_replaying_all_puts_all_back_as_they_were(broker: Broker, consumer: Consumer, inbox: Inbox) -> None:
    requests = [ask("a", reply_to=inbox.name, priority=Priority.HIGH, ttl=7.0), ask("b", ref="3", key="k")]
    held = hold(broker, consumer, *requests)
    consumer.bury([failure(delivery, Code.DEAD_LETTERED, "no") for delivery in held])
    assert broker.dead("iris").replay() == 2
    again = receive(consumer)
    assert [delivery.request for delivery in again] == requests
    assert again[0].expires - again[0].received > 5
    assert broker.dead("iris").list() == []


@pytest.mark.usefixtures("figures", "cancel")
def test_a_replayed_request_counts_as_queued_and_may_be_withdrawn(broker: Broker, consumer: Consumer) -> None:
    bury(broker, consumer, "a")
    broker.dead("iris").replay()
    assert broker.stats("iris")[:2] == (1, 0)
    assert list(broker.cancel("iris", ["a"])) == ["a"]


def test_a_dead_letter_is_replayed_once(broker: Broker, consumer: Consumer) -> None:
    bury(broker, consumer, "a")
    (letter,) = broker.dead("iris").list()
    assert [broker.dead("iris").replay([letter.tag]) for _ in range(2)] == [1, 0]
    assert ids(receive(consumer)) == ["a"]


def test_purging_forgets_these_or_all(broker: Broker, consumer: Consumer) -> None:
    bury(broker, consumer, "a", "b", "c")
    letters = broker.dead("iris")
    (first, *_) = letters.list()
    assert letters.purge([first.tag, "nonsense"]) == 1
    assert [letter.request.id for letter in letters.list()] == ["b", "c"]
    assert letters.purge() == 2
    consumer.close()
    assert nothing_is_left(broker)


def test_an_empty_choice_is_not_all(broker: Broker, consumer: Consumer) -> None:
    bury(broker, consumer, "a")
    assert broker.dead("iris").replay([]) == 0
    assert broker.dead("iris").purge([]) == 0
    assert len(broker.dead("iris").list()) == 1


def test_each_model_has_its_own(broker: Broker, consumer: Consumer) -> None:
    bury(broker, consumer, "a")
    letters = broker.dead("digits")
    assert (letters.list(), letters.replay(), letters.purge()) == ([], 0, 0)


def test_the_dead_leave_room_for_others(make_broker: MakeBroker, consumer: Consumer) -> None:
    broker = make_broker(queue_requests=1)
    bury(broker, consumer, "a")
    send(broker, ask("b"))


@pytest.mark.usefixtures("dedup")
def test_the_id_of_a_dead_request_is_still_known(broker: Broker, consumer: Consumer) -> None:
    bury(broker, consumer, "a")
    assert list(broker.send([ask("a")])) == [Verdict.DUPLICATE]
