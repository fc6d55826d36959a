"""Who reads the inbox: the caller that waits, if nobody else does; and what becomes of the others' answers then."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from contract.making import let_pass
from echo_worker import EchoWorker, until
from fakes import FakeBroker

from predictq import Cancelled, Client, Prediction
from predictq_broker import BrokerRefused, BrokerUnavailable


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
def client(broker: FakeBroker) -> Iterator[Client]:
    """Its reader thread has learnt that callers read: it rests until it is needed."""
    with Client(broker=broker) as client:
        with EchoWorker(broker, "iris"):
            client.predict("iris", [[0]])
        until(lambda: not client._connection.opened._inbox._turn.locked())  # type: ignore[union-attr]  # it is open
        broker.readers.clear()
        yield client


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def reading(client: Client) -> bool:
    exchange = client._connection.opened
    return exchange is not None and exchange._inbox._turn.locked()


def asked(broker: FakeBroker, count: int) -> Callable[[], bool]:
    return lambda: broker.stats("iris").queued == count


def predicting(pool: ThreadPoolExecutor, broker: FakeBroker, client: Client, *rows: int) -> list[Future[Prediction]]:
    """Callers that wait, the first of them in the inbox."""
    futures: list[Future[Prediction]] = []
    for row in rows:
        futures.append(pool.submit(client.predict, "iris", [[row]]))
        until(asked(broker, len(futures)))
        until(lambda: reading(client))
    return futures


def test_who_asks_alone_reads_the_answer_in_its_own_thread(broker: FakeBroker, client: Client) -> None:
    with EchoWorker(broker, "iris"):
        for n in range(3):
            assert client.predict("iris", [[n]]).outputs == [[n]]
    assert set(broker.readers) == {threading.current_thread()}


@pytest.mark.parametrize("options", [{"timeout": 5.0}, {"id": "chosen"}])
def test_who_cannot_wait_for_a_broker_that_hangs_or_may_have_company_leaves_the_reading_to_the_thread(
    options: Any, broker: FakeBroker, client: Client
) -> None:
    with EchoWorker(broker, "iris"):
        assert client.predict("iris", [[1]], **options).outputs == [[1]]
    assert {thread.name for thread in broker.readers} == {"predictq-inbox"}


def test_a_caller_whose_deadline_comes_near_leaves_the_reading_to_the_thread(
    broker: FakeBroker, client: Client, pool: ThreadPoolExecutor
) -> None:
    future = pool.submit(client.predict, "iris", [[1]], timeout=15.3)
    until(lambda: len(broker.readers) == 1)
    assert broker.readers[0].name != "predictq-inbox"
    with EchoWorker(broker, "iris"):
        assert future.result(5).outputs == [[1]]
    assert broker.readers[-1].name == "predictq-inbox"


def test_where_no_caller_reads_the_thread_never_leaves_the_inbox(broker: FakeBroker) -> None:
    with Client(broker=broker) as client, EchoWorker(broker, "iris"):
        assert client.submit("iris", [[1]]).result(5).outputs == [[1]]
        let_pass(0.1)
        assert reading(client)


def test_what_a_caller_reads_for_others_reaches_them_and_so_does_what_comes_after_it(
    broker: FakeBroker, client: Client, pool: ThreadPoolExecutor
) -> None:
    futures = predicting(pool, broker, client, 1, 2, 3)
    late = client.submit("iris", [[4]])
    with EchoWorker(broker, "iris"):
        assert [future.result(5).outputs for future in (*futures, late)] == [[[1]], [[2]], [[3]], [[4]]]
        assert client.predict("iris", [[5]]).outputs == [[5]]


def test_a_future_is_told_in_the_client_s_thread_though_a_caller_read_its_answer(
    broker: FakeBroker, client: Client, pool: ThreadPoolExecutor
) -> None:
    predicting(pool, broker, client, 1)
    told = list[str]()
    future = client.submit("iris", [[2]])
    future.add_done_callback(lambda _: told.append(threading.current_thread().name))
    with EchoWorker(broker, "iris"):
        future.result(5)
    until(lambda: told == ["predictq-inbox"])


def test_a_signal_to_a_caller_that_reads_costs_no_other_its_answer(
    broker: FakeBroker, client: Client, pool: ThreadPoolExecutor
) -> None:
    first, second = predicting(pool, broker, client, 1, 2)
    broker.fail("receive", when="after", error=KeyboardInterrupt())
    with EchoWorker(broker, "iris"):
        assert isinstance(first.exception(5), KeyboardInterrupt)
        assert second.result(5).outputs == [[2]]
        assert client.predict("iris", [[3]]).outputs == [[3]]


@pytest.mark.parametrize("error", [BrokerUnavailable("gone"), BrokerRefused("no"), RuntimeError("a bug")])
def test_a_fault_while_a_caller_reads_is_waited_out_by_the_thread(
    error: Exception, broker: FakeBroker, client: Client, pool: ThreadPoolExecutor
) -> None:
    (future,) = predicting(pool, broker, client, 1)
    broker.fail("receive", times=2, error=error)
    with EchoWorker(broker, "iris"):
        assert future.result(5).outputs == [[1]]
    assert broker.readers[-1].name == "predictq-inbox"


def test_close_ends_a_caller_that_reads_and_those_that_wait_for_it(
    broker: FakeBroker, client: Client, pool: ThreadPoolExecutor
) -> None:
    futures = predicting(pool, broker, client, 1, 2)
    client.close()
    assert [type(future.exception(5)) for future in futures] == [Cancelled, Cancelled]


def test_many_threads_that_ask_one_by_one_all_get_their_own_answers(broker: FakeBroker, client: Client) -> None:
    def ask(thread: int) -> list[Any]:
        return [client.predict("iris", [[thread * 1000 + n]]).outputs for n in range(100)]

    with EchoWorker(broker, "iris"), ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))
    assert found == [[[[thread * 1000 + n]] for n in range(100)] for thread in range(8)]
