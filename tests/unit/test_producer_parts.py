"""Small parts whose limits a whole client would take long to reach."""

import sys
import threading
import time
from typing import Any

import pytest
from echo_worker import EchoWorker, echo
from fakes import FakeBroker

from predictq import Client, InvalidInput, Settings
from predictq.asking import Questions
from predictq.backoff import Backoff
from predictq.blocking import WaitingCall
from predictq.call import Call
from predictq.due import Due
from predictq.ids import Ids
from predictq.remembered import Remembered
from predictq.waiting_line import WaitingLine
from predictq_broker import Request, is_name


def call(ttl: float | None) -> Call:
    return WaitingCall((Request("iris", b"", ttl=ttl), b"", "a", False), 30.0)


def test_ids_are_names_of_32_digits_and_no_two_threads_get_the_same() -> None:
    ids, made = Ids(), list[list[str]]()
    threads = [threading.Thread(target=lambda: made.append([ids.next() for _ in range(9000)])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = [id_ for part in made for id_ in part]
    assert len(set(every)) == 36_000
    assert all(is_name(id_) and len(id_) == 32 for id_ in every)
    assert len({id_[:29] for id_ in every}) >= 9


@pytest.mark.parametrize("ttl", [0.001, 0.5, 5.0, 30.0, 3600.0, 1e7])
def test_a_deadline_is_never_looked_at_early_and_at_most_a_thousandth_late(ttl: float) -> None:
    due, waiting = Due(), call(ttl)
    due.add([waiting], time.monotonic())
    assert due.pop(waiting.expires - 1e-6) == []
    assert 0.0 <= due.next - waiting.expires <= max(0.0101, ttl / 500)
    assert due.pop(due.next) == [waiting]
    assert due.next == float("inf")


def test_deadlines_of_calls_that_ended_cost_no_memory_however_far_away() -> None:
    due = Due()
    for second in range(20_000):
        ended = call(86_400.0 + second)
        due.add([ended], time.monotonic())
        due.discard(ended)
    assert len(due._slots) == len(due._ends) < 3000
    assert not any(due._slots.values())


def test_a_crowd_of_calls_that_ended_leaves_no_memory_behind_until_its_deadline() -> None:
    due, now, crowd = Due(), time.monotonic(), [call(60.0) for _ in range(2000)]
    due.add(crowd, now)
    assert max(map(sys.getsizeof, due._slots.values())) > 10_000
    for one in crowd:
        due.discard(one)
    assert max(map(sys.getsizeof, due._slots.values())) == sys.getsizeof(set())


def test_a_call_without_deadline_is_never_due() -> None:
    due, waiting = Due(), call(None)
    due.add([waiting], time.monotonic())
    due.discard(waiting)
    assert due.next == float("inf")


def test_a_client_holds_nothing_of_requests_that_ended() -> None:
    broker = FakeBroker()
    with EchoWorker(broker, "iris"), Client(broker=broker) as client:
        for n in range(50):
            client.predict("iris", [[n]])
            client.submit("iris", [[n]], deadline=60).cancel()
        exchange = client._connection._exchange
        assert exchange is not None
        assert len(exchange._pending) == 0
        assert not any(exchange._pending._due._slots.values())
        assert not exchange._pending._remembered._results


def test_only_watched_answers_are_remembered_and_only_so_many() -> None:
    memory = Remembered(most=2, most_bytes=10)
    memory.offer(echo(Request("iris", b"1", id="stranger")))
    assert memory.find(Request("iris", b"1", id="stranger")) is None
    for id_ in "abc":
        memory.watch(id_)
        memory.offer(echo(Request("iris", b"123", id=id_)))
    assert [memory.find(Request("iris", b"", id=id_)) is not None for id_ in "abc"] == [False, True, True]
    memory.keep(echo(Request("iris", b"1234567", id="d")))
    assert [memory.find(Request("iris", b"", id=id_)) is not None for id_ in "bcd"] == [False, True, True]
    memory.keep(echo(Request("iris", b"12345678901", id="too large")))
    assert memory.find(Request("iris", b"", id="too large")) is None
    assert memory.find(Request("other", b"", id="d")) is None


def test_waits_double_up_to_a_limit_with_jitter_and_begin_again_after_success() -> None:
    backoff = Backoff(first=1.0, most=4.0)
    for nominal in (1.0, 2.0, 4.0, 4.0):
        assert nominal / 2 <= backoff.next() <= nominal
    backoff.reset()
    assert backoff.next() <= 1.0


@pytest.mark.parametrize(
    ("sizes", "taken"), [([1] * 9, 4), ([3, 3, 3, 3], 3), ([7, 1], 1), ([6, 1, 1], 2), ([2, 5], 2)]
)
def test_the_call_that_crosses_the_limit_in_bytes_is_the_last_of_those_sent_together(
    sizes: list[int], taken: int
) -> None:
    line = WaitingLine(Settings(send_requests=4, send_bytes=7))
    calls = [WaitingCall((Request("iris", b""), b"x" * size, "a", False), 30.0) for size in sizes]
    line.put(calls)
    assert line.take() == calls[:taken]
    rest: list[Call] = []
    while line.room < line.limit:
        rest += line.take()
    assert rest == calls[taken:]
    assert not line.is_full
    assert line._size == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"model": ["iris"]}, "model must be a text, not list"),
        ({"ref": {}}, "ref must be a text, not dict"),
        ({"method": []}, "method must be a text, not list"),
        ({"id": 5}, "id must be a text, not int"),
        ({"key": b"x"}, "key must be a text, not bytes"),
        ({"traceparent": [1]}, "traceparent must be a text, not list"),
        ({"priority": []}, "priority must be high, normal or low"),
        ({"deadline": "soon"}, "deadline must be a number of seconds, not 'soon'"),
        ({"deadline": [1]}, r"deadline must be a number of seconds, not \[1\]"),
    ],
)
def test_what_is_of_another_type_is_refused_by_its_name(wrong: Any, said: str) -> None:
    options = {"model": "iris", **wrong}
    with pytest.raises(InvalidInput, match=said):
        Questions(Settings(), "inbox.x").make(options.pop("model"), [[1]], options)
