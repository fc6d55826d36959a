"""A durable result queue is read at least once by whoever subscribes, with acknowledgements."""

import signal
import threading
import time
from collections.abc import Iterator

import pytest
from echo_worker import EchoWorker, until
from fakes import FakeBroker

from predictq import Client, InvalidInput, ModelError, Refused, Subscriber
from predictq_broker import BrokerRefused, Code, Request, Result


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


def fill(broker: FakeBroker, *ids: str) -> None:
    """Put a result on the queue `nightly` for each id."""
    for id_ in ids:
        request = Request("iris", b"[[1]]", id=id_, reply_to="nightly")
        with broker.changed:
            broker.publish(request, Result(id_, Code.OK, b"[1]", model="iris", version=3, digest="sha256:0"))


def subscribed(broker: FakeBroker, **options: float) -> Subscriber:
    return Subscriber(None, "nightly", broker=broker, **options)  # type: ignore[arg-type]  # numbers


def test_results_of_send_are_read_and_acknowledged(broker: FakeBroker) -> None:
    with Client(broker=broker) as client, EchoWorker(broker, "iris"):
        sent = [client.send("iris", [[n]], reply_to="nightly") for n in range(20)]
    with subscribed(broker) as results:
        taken = []
        for result in results.take(timeout=0.1):
            taken.append((result.id, result.outputs))
            assert (result.ok, result.status, result.error, result.attempt) == (True, Code.OK, None, 1)
            result.ack()
    assert taken == [(sent[n], [[n]]) for n in range(20)]
    assert not broker.results["nightly"]


def test_what_is_not_acknowledged_comes_again_to_the_next_subscriber(broker: FakeBroker) -> None:
    fill(broker, "a", "b", "c")
    with subscribed(broker) as results:
        next(iter(results)).ack()
    with subscribed(broker) as results:
        assert [result.id for result in results.take(timeout=0.1)] == ["b", "c"]


def test_an_error_result_has_its_error_and_raises_it_for_outputs(broker: FakeBroker) -> None:
    request = Request("iris", b"", id="a", reply_to="nightly")
    with broker.changed:
        broker.publish(request, Result("a", Code.MODEL_ERROR, b"it broke", model="iris", version=3))
    with subscribed(broker) as results:
        result = next(iter(results))
        assert not result.ok
        assert isinstance(result.error, ModelError)
        assert (result.model, result.version, result.digest) == ("iris", 3, "")
        with pytest.raises(ModelError, match="it broke"):
            _ = result.outputs


def test_acknowledgements_are_sent_while_the_iteration_goes_on(broker: FakeBroker) -> None:
    fill(broker, "a", "b")
    with subscribed(broker) as results:
        iteration = iter(results)
        next(iteration).ack()
        until(lambda: [d.result.id for d in results._subscription.held] == ["b"])  # type: ignore[attr-defined]  # fake


def test_an_acknowledgement_survives_a_fault(broker: FakeBroker) -> None:
    fill(broker, "a")
    broker.fail("ack", times=3)
    with subscribed(broker) as results:
        next(iter(results)).ack()
        until(lambda: not results._subscription.held)  # type: ignore[attr-defined]  # fake


def test_the_lease_is_renewed_while_a_result_is_worked_on(broker: FakeBroker) -> None:
    fill(broker, "a")
    with subscribed(broker, lease=0.2) as results:
        next(iter(results))
        until(lambda: results._subscription.renewed >= 3)  # type: ignore[attr-defined]  # fake


def test_results_lost_with_the_lease_are_not_handed_out_a_second_time(broker: FakeBroker) -> None:
    fill(broker, "a", "b", "c")
    with subscribed(broker, lease=0.2) as results:
        iteration = iter(results)
        assert next(iteration).id == "a"
        subscription = results._subscription
        subscription.die()  # type: ignore[attr-defined]  # fake
        until(lambda: not results._fetched)
        assert [(r.id, r.attempt) for r in results.take(timeout=0.1)] == [("a", 2), ("b", 2), ("c", 2)]


def test_reading_goes_on_after_an_outage(broker: FakeBroker) -> None:
    fill(broker, "a")
    broker.fail("results", times=3)
    with subscribed(broker) as results:
        assert next(iter(results)).id == "a"


def test_a_broker_that_refuses_is_told(broker: FakeBroker) -> None:
    broker.fail("results", error=BrokerRefused("no rights"))
    with subscribed(broker) as results, pytest.raises(Refused, match="no rights"):
        next(iter(results))


def test_until_finds_one_result_and_keeps_the_others(broker: FakeBroker) -> None:
    fill(broker, "a", "b", "c")
    with subscribed(broker) as results:
        found = results.until("b", timeout=1)
        assert found is not None
        assert found.id == "b"
        assert results.until("nobody", timeout=0.05) is None
        assert [result.id for result in results.take(timeout=0.05)] == ["a", "c"]


def test_close_from_another_thread_ends_the_iteration_promptly(broker: FakeBroker) -> None:
    results = subscribed(broker)
    taken: list[object] = []
    reader = threading.Thread(target=lambda: taken.extend(results))
    reader.start()
    until(lambda: results._reader is not None)
    began = time.monotonic()
    results.close()
    reader.join(5)
    assert time.monotonic() - began < 1.0
    assert taken == []
    results.close()


@pytest.fixture
def closing_on_alarm() -> Iterator[list[Subscriber]]:
    subscribers: list[Subscriber] = []
    before = signal.signal(signal.SIGALRM, lambda *_: subscribers[0].close())
    yield subscribers
    signal.signal(signal.SIGALRM, before)


def test_close_from_a_signal_handler_ends_the_iteration(broker: FakeBroker, closing_on_alarm: list[Subscriber]) -> None:
    with subscribed(broker) as results:
        closing_on_alarm.append(results)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert list(results) == []
    assert not results._keeper._thread.is_alive()


@pytest.mark.parametrize("queue", ["", "a b", "inbox.me"])
def test_a_queue_must_have_a_name_of_its_own(queue: str, broker: FakeBroker) -> None:
    with pytest.raises(InvalidInput):
        Subscriber(None, queue, broker=broker)


def test_what_is_fetched_anew_after_the_lease_was_lost_is_not_thrown_away(broker: FakeBroker) -> None:
    fill(broker, "a", "b", "c", "d")
    with subscribed(broker, lease=0.4, prefetch=2) as results:
        iteration = iter(results)
        assert [next(iteration).id for _ in range(2)] == ["a", "b"]
        subscription = results._subscription
        subscription.die()  # type: ignore[attr-defined]  # fake
        assert next(iteration).id == "a"  # and `b` is fetched with it, before we hear that the lease was lost
        until(lambda: not subscription.lost)  # type: ignore[attr-defined]  # fake
        assert [(r.id, r.attempt) for r in results.take(timeout=0.1)] == [("b", 2), ("c", 1), ("d", 1)]
