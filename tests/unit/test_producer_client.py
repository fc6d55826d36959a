"""The threaded client against a broker in memory and a worker that answers with the rows it got."""

import concurrent.futures
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from echo_worker import EchoWorker, echo, until
from fakes import FakeBroker

from predictq import (
    Cancelled,
    Client,
    Conflict,
    DeadlineExceeded,
    InvalidInput,
    ModelError,
    PredictqError,
    QueueFull,
    Settings,
    Unavailable,
)
from predictq_broker import BrokerFull, BrokerRefused, Capacity, Code, Limits, Request, Result, Timings


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
def client(broker: FakeBroker) -> Iterator[Client]:
    with Client(broker=broker, settings=Settings(retry_for=5.0)) as client:
        yield client


def test_a_prediction_carries_outputs_and_the_release_that_made_them(broker: FakeBroker, client: Client) -> None:
    def answer(request: Request) -> Result:
        return echo(request)._replace(version=7, digest="sha256:abc", route="arm", timings=Timings(1.0, 2.0, 3.0))

    with EchoWorker(broker, "iris", answer=answer):
        prediction = client.predict("iris", [[5.1, 3.5]], timeout=5, id="order-42")
    assert prediction.outputs == [[5.1, 3.5]]
    assert (prediction.id, prediction.model, prediction.version) == ("order-42", "iris", 7)
    assert (prediction.digest, prediction.route, prediction.timings.predicted) == ("sha256:abc", "arm", 3.0)


def test_an_array_comes_back_as_an_array(broker: FakeBroker, client: Client) -> None:
    array = np.arange(6.0).reshape(3, 2)
    with EchoWorker(broker, "iris"):
        np.testing.assert_array_equal(client.predict("iris", array).outputs, array)


def test_all_that_is_said_of_a_request_reaches_the_broker(broker: FakeBroker, client: Client) -> None:
    client.submit(
        "iris",
        [[1], [2]],
        method="predict_proba",
        ref="3",
        priority="high",
        deadline=9.0,
        key="k",
        id="a",
        traceparent="t",
    )
    (request,) = broker.sent[0]
    assert (request.method, request.ref, request.priority, request.ttl) == ("predict_proba", "3", "high", 9.0)
    assert (request.key, request.id, request.traceparent, request.rows) == ("k", "a", "t", 2)
    assert request.reply_to.startswith("inbox.")


def test_a_timeout_is_a_timeout_error_and_withdraws_the_request(broker: FakeBroker, client: Client) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError) as caught:
        client.predict("iris", [[1]], timeout=0.05)
    assert 0.05 <= time.monotonic() - began < 1.0
    assert isinstance(caught.value, DeadlineExceeded)
    assert caught.value.model == "iris"
    until(lambda: broker.stats("iris").queued == 0)


def test_a_future_with_a_deadline_ends_though_no_worker_lives(client: Client) -> None:
    future = client.submit("iris", [[1]], deadline=0.05)
    assert isinstance(future.exception(timeout=5), DeadlineExceeded)


def test_a_nearer_deadline_comes_before_a_later_one_set_before_it(client: Client) -> None:
    far = client.submit("iris", [[1]], deadline=60)
    near = client.submit("iris", [[2]], deadline=0.05)
    assert isinstance(near.exception(timeout=5), DeadlineExceeded)
    assert not far.done()


def test_an_error_result_is_raised_as_its_class_with_its_fields(broker: FakeBroker, client: Client) -> None:
    def fail(request: Request) -> Result:
        return Result(request.id, Code.MODEL_ERROR, b"it broke", model="iris", version=3, retry_after=1.5)

    with EchoWorker(broker, "iris", answer=fail), pytest.raises(ModelError, match="it broke") as caught:
        client.predict("iris", [[1]])
    assert (caught.value.code, caught.value.version, caught.value.retry_after) == ("model_error", 3, 1.5)


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.OK])
def test_every_code_has_an_error_of_its_own(code: Code, broker: FakeBroker, client: Client) -> None:
    def fail(request: Request) -> Result:
        return Result(request.id, code, b"why", model="iris")

    with EchoWorker(broker, "iris", answer=fail), pytest.raises(PredictqError, match="why") as caught:
        client.predict("iris", [[1]])
    assert caught.value.code == code
    assert type(caught.value) is not PredictqError


def test_cancelling_withdraws_and_a_late_answer_harms_nobody(broker: FakeBroker, client: Client) -> None:
    taken, other = client.submit("iris", [[1]]), client.submit("iris", [[2]])
    consumer = broker.consumer("late")
    (held, waiting) = consumer.receive({"iris": Capacity(512)}, 1)
    assert taken.cancel()
    assert taken.cancel()
    assert taken.cancelled()
    with pytest.raises(concurrent.futures.CancelledError):
        taken.result()
    assert concurrent.futures.wait([taken], timeout=1).done == {taken}
    consumer.release([held, waiting])
    with EchoWorker(broker, "iris"):
        assert other.result(timeout=5).outputs == [[2]]
    assert not other.cancel()


def test_cancelling_a_waiting_request_takes_it_out_of_the_queue(broker: FakeBroker, client: Client) -> None:
    future = client.submit("iris", [[1]])
    assert future.cancel()
    until(lambda: broker.stats("iris").queued == 0)


def test_a_repeated_answer_is_dropped(broker: FakeBroker, client: Client) -> None:
    future = client.submit("iris", [[1]])
    (request,) = broker.sent[0]
    with broker.changed:
        for outputs in (b"[1]", b"[2]"):
            broker.publish(request, echo(request)._replace(body=outputs))
    assert future.result(timeout=5).outputs == [1]
    with EchoWorker(broker, "iris"):
        assert client.predict("iris", [[3]], timeout=5).outputs == [[3]]


def test_the_same_id_twice_at_once_is_asked_once_and_answered_twice(broker: FakeBroker, client: Client) -> None:
    futures = [client.submit("iris", [[1]], id="order-42") for _ in range(3)]
    assert futures[1].cancel()
    with EchoWorker(broker, "iris") as worker:
        assert [futures[n].result(timeout=5).outputs for n in (0, 2)] == [[[1]]] * 2
    assert len(worker.answered) == 1


def test_the_same_id_again_later_finds_the_same_answer(broker: FakeBroker, client: Client) -> None:
    with EchoWorker(broker, "iris") as worker:
        first = client.predict("iris", [[1]], id="order-42")
        again = client.predict("iris", [[1]], id="order-42", timeout=5)
    assert first.outputs == again.outputs
    assert len(worker.answered) == 1


@pytest.mark.parametrize("answered", [False, True])
def test_the_same_id_for_another_question_is_a_conflict(broker: FakeBroker, client: Client, *, answered: bool) -> None:
    future = client.submit("iris", [[1]], id="order-42")
    with EchoWorker(broker, "iris"):
        if answered:
            future.result(timeout=5)
        with pytest.raises(Conflict):
            client.submit("iris", [[2]], id="order-42")
        assert future.result(timeout=5).outputs == [[1]]


def test_an_answer_to_an_earlier_question_never_goes_to_a_later_one_under_its_id(
    broker: FakeBroker, client: Client
) -> None:
    with pytest.raises(DeadlineExceeded):
        client.predict("iris", [[1]], timeout=0.5, id="order-42")
    first = broker.sent[0][0]
    published = threading.Event()

    def answer_the_first_before_judging(call: str, when: str) -> None:
        if (call, when) == ("send", "before"):
            broker.publish(first, echo(first))
            published.set()

    broker.strike = answer_the_first_before_judging  # type: ignore[method-assign]  # a fault by hand
    with pytest.raises(Conflict):
        client.predict("iris", [[2]], timeout=5, id="order-42")
    assert published.is_set()


def test_a_full_queue_is_told_with_a_time_to_come_back() -> None:
    with Client(broker=FakeBroker(Limits(queue_requests=1))) as client:
        client.submit("iris", [[1]])
        with pytest.raises(QueueFull, match="add workers") as caught:
            client.submit("iris", [[2]])
    assert caught.value.retry_after > 0


def test_a_result_queue_that_nobody_reads_refuses_more() -> None:
    broker = FakeBroker(Limits(unread_results=1))
    with Client(broker=broker) as client, EchoWorker(broker, "iris"):
        client.send("iris", [[1]], reply_to="nightly")
        until(lambda: len(broker.results["nightly"]) == 1)
        with pytest.raises(QueueFull, match="read results"):
            client.send("iris", [[2]], reply_to="nightly")


def test_send_returns_the_id_and_the_answer_goes_to_the_queue(broker: FakeBroker, client: Client) -> None:
    with EchoWorker(broker, "iris"):
        assert client.send("iris", [[1]], reply_to="nightly", id="order-42") == "order-42"
        until(lambda: len(broker.results["nightly"]) == 1)
    assert broker.results["nightly"][0][0].id == "order-42"


@pytest.mark.parametrize(
    "options",
    [
        {"id": "a b"},
        {"ref": ""},
        {"method": "a/b"},
        {"priority": "urgent"},
        {"deadline": 0.0},
        {"deadline": float("nan")},
        {"deadline": 1e9},
        {"key": "x" * 5000},
    ],
)
def test_options_that_cannot_travel_are_refused_before_anything_is_sent(
    options: dict[str, object], broker: FakeBroker, client: Client
) -> None:
    with pytest.raises(InvalidInput):
        client.submit("iris", [[1]], **options)  # type: ignore[arg-type]  # that is the point
    assert broker.sent == []


@pytest.mark.parametrize("queue", ["inbox.me", "a b"])
def test_a_result_queue_must_have_a_name_of_its_own(queue: str, client: Client) -> None:
    with pytest.raises(InvalidInput):
        client.send("iris", [[1]], reply_to=queue)


@pytest.mark.parametrize("model", ["", "a b", "{x}", "x" * 129])
def test_a_model_must_have_a_name(model: str, client: Client) -> None:
    with pytest.raises(InvalidInput):
        client.predict(model, [[1]])


def test_close_is_prompt_and_cancels_what_is_outstanding(broker: FakeBroker) -> None:
    client = Client(broker=broker)
    futures = [client.submit("iris", [[n]]) for n in range(3)]
    began = time.monotonic()
    client.close()
    client.close()
    assert time.monotonic() - began < 1.0
    assert all(isinstance(future.exception(timeout=0), Cancelled) for future in futures)
    assert broker.stats("iris").queued == 0
    assert [t.name for t in threading.enumerate() if t.name.startswith("predictq-")] == []
    with pytest.raises(Cancelled, match="make a new one"):
        client.predict("iris", [[1]])


def test_close_wakes_a_thread_that_waits_for_its_prediction(broker: FakeBroker) -> None:
    client = Client(broker=broker)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.predict, "iris", [[1]], timeout=None)
        until(lambda: broker.stats("iris").queued == 1)
        client.close()
        assert isinstance(waiting.exception(timeout=5), Cancelled)


@pytest.mark.parametrize(
    ("error", "kind"), [(BrokerRefused("no rights"), Unavailable), (BrokerFull("no memory"), QueueFull)]
)
def test_a_broker_that_says_no_is_not_asked_again(
    error: Exception, kind: type[PredictqError], broker: FakeBroker, client: Client
) -> None:
    broker.fail("send", error=error)
    with pytest.raises(kind, match="no "):
        client.submit("iris", [[1]])
    assert len(broker.sent) == 1
