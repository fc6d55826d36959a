"""A producer in one process asks, a worker in another answers with a model published a moment before."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator

import numpy as np
import pytest
from callers import Load
from models import Iris
from servers import RedisServer
from workers import WorkerProcess, eventually, workers

from predictq import AsyncClient, Client, InvalidInput, Subscriber, UnknownModel
from predictq_broker import Priority, Request, connect, new_id
from predictq_registry import Registry

ROW = [5.1, 3.5, 1.4, 0.2]


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, trained: Iris
) -> Iterator[tuple[str, str]]:
    """A broker and a registry whose model `iris` is served, for all tests that do it no harm."""
    folder = tmp_path_factory.mktemp("served")
    Registry(str(folder / "models")).publish("iris", trained.good, sample=trained.rows, alias="production")
    with contextlib.ExitStack() as stack:
        url = f"sqlite:///{folder}/predictq.db"
        if request.param == "redis":
            url = stack.enter_context(RedisServer(folder)).url
        stack.enter_context(workers(1, url, str(folder / "models")))
        yield url, str(folder / "models")


@pytest.fixture
def worker(broker_url: str, registry_url: str) -> Iterator[WorkerProcess]:
    with workers(1, broker_url, registry_url, lease=1.0) as (only,):
        yield only


def test_the_answer_reaches_whoever_asked_and_names_the_release(served: tuple[str, str], trained: Iris) -> None:
    broker_url, registry_url = served
    digest = Registry(registry_url).manifest("iris", 1).digest
    with Client(broker_url) as client:
        prediction = client.predict("iris", [ROW], timeout=20)
        assert (prediction.outputs, prediction.model, prediction.version, prediction.digest) == ([0], "iris", 1, digest)
        array = client.predict("iris", trained.rows, timeout=20)
        assert isinstance(array.outputs, np.ndarray)
        assert array.outputs.tolist() == trained.good_answers
        shares = client.submit("iris", [ROW], method="predict_proba", priority="high", deadline=10.0).result(timeout=10)
        assert shares.outputs == pytest.approx(trained.good.predict_proba([ROW]))


def test_bulk_answers_come_in_order(served: tuple[str, str], trained: Iris) -> None:
    broker_url, _ = served
    rows = trained.rows.tolist() * 20
    with Client(broker_url) as client:
        answers = [label for part in client.map("iris", rows, chunk=70) for label in part.outputs]
    assert answers == trained.good_answers * 20


def test_thousands_of_concurrent_callers_each_get_their_own_answer(served: tuple[str, str], trained: Iris) -> None:
    broker_url, _ = served

    async def ask_all() -> list[int]:
        async with AsyncClient(broker_url) as client:
            asked = [client.predict("iris", [row], timeout=60) for row in trained.rows.tolist() * 30]
            return [prediction.outputs[0] for prediction in await asyncio.gather(*asked)]

    assert asyncio.run(ask_all()) == trained.good_answers * 30


def test_results_sent_to_a_queue_wait_for_a_subscriber(served: tuple[str, str]) -> None:
    broker_url, _ = served
    with Client(broker_url) as client:
        client.send("iris", [ROW], reply_to="nightly", id="order-42")
        client.send("iris", [ROW[:3]], reply_to="nightly", id="order-43")
    found = {}
    with Subscriber(broker_url, "nightly") as results:
        for result in results:
            found[result.id] = result.outputs if result.ok else result.error
            result.ack()
            if len(found) == 2:
                break
    assert found["order-42"] == [0]
    assert isinstance(found["order-43"], InvalidInput)


def test_each_wrong_request_gets_its_own_error_and_its_neighbours_their_answers(served: tuple[str, str]) -> None:
    broker_url, _ = served
    good = b"[[5.1,3.5,1.4,0.2]]"
    wrong = {
        "too-wide": (b"[[1,2,3,4,5]]", "invalid_input", "expected 4"),
        "two-wide": (b"[[1,2]]", "invalid_input", "expected 4"),
        "six-wide": (b"[[1,2,3,4,5,6]]", "invalid_input", "expected 4"),
        "text": (b'[[5.1,"wide",1.4,0.2]]', "invalid_input", "text"),
        "boolean": (b"[[5.1,true,1.4,0.2]]", "invalid_input", "number"),
        "null": (b"[[5.1,null,1.4,0.2]]", "invalid_input", "missing"),
        "empty": (b"[]", "invalid_input", "no rows"),
        "nan": (b"[[NaN,1,2,3]]", "invalid_input", "NaN"),
        "cut": (b"[[5.1,3.5,1.4", "invalid_input", "not JSON"),
        "nothing": (b"", "invalid_input", "empty"),
    }
    with connect(broker_url) as broker:
        inbox = broker.inbox()
        inbox.expect("iris")
        requests = [Request("iris", good, id=new_id(), reply_to=inbox.name) for _ in range(20)]
        requests += [Request("iris", body, id=name, reply_to=inbox.name) for name, (body, _, _) in wrong.items()]
        late = Request("iris", good, id="late", reply_to=inbox.name, ttl=-1.0)
        npy = Request("iris", good, id="not-npy", reply_to=inbox.name, content_type="application/x-npy")
        alias = Request("iris", good, id="no-alias", reply_to=inbox.name, ref="stable")
        method = Request("iris", good, id="no-method", reply_to=inbox.name, method="fit")
        huge = Request("iris", b"[" + b",".join([b"[1,2,3,4]"] * 1_000_000) + b"]", id="huge", reply_to=inbox.name)
        broker.send([*requests, late, npy, alias, method, huge])
        results = {}
        while len(results) < len(requests) + 5:
            results |= {result.id: result for result in inbox.receive(20) or pytest.fail("an answer is missing")}
        inbox.close()
    for request in requests[:20]:
        assert (results[request.id].status, results[request.id].body) == ("ok", b"[0]")
    for name, (_, code, word) in wrong.items():
        assert (results[name].status, word in results[name].body.decode()) == (code, True), results[name].body
    assert results["late"].status == "deadline_exceeded"
    assert results["not-npy"].status == "invalid_input"
    assert (results["no-alias"].status, b"production" in results["no-alias"].body) == ("unknown_model", True)
    assert (results["no-method"].status, b"predict_proba" in results["no-method"].body) == ("invalid_input", True)
    assert results["huge"].status == "too_large"
    sentences = [results[name].body for name in wrong]
    assert len(set(sentences)) >= len(sentences) - 2  # the two widths and the null differ only in their figures


def test_an_unknown_model_is_answered_not_waited_for(served: tuple[str, str]) -> None:
    broker_url, _ = served
    with Client(broker_url) as client, pytest.raises(UnknownModel, match="irsi"):
        client.predict("irsi", [ROW], timeout=20)


def test_a_cancelled_caller_harms_nobody(served: tuple[str, str], trained: Iris) -> None:
    broker_url, _ = served
    with Client(broker_url) as client:
        futures = [client.submit("iris", [row]) for row in trained.rows.tolist()]
        for future in futures[::2]:
            future.cancel()
        answers = [future.result(timeout=20).outputs[0] for future in futures[1::2]]
    assert answers == trained.good_answers[1::2]


def test_a_better_release_is_swapped_in_under_load_and_no_request_fails(
    broker_url: str, registry_url: str, worker: WorkerProcess, trained: Iris
) -> None:
    registry = Registry(registry_url)
    with Load(broker_url, trained) as load:
        eventually(lambda: load.answered(1) > 200, "answers of version 1")
        registry.publish("iris", trained.other, sample=trained.rows, alias="production")
        eventually(lambda: load.answered(2) > 200, "answers of version 2")
        registry.rollback("iris", "production")
        before = load.answered(1)
        eventually(lambda: load.answered(1) > before + 200, "answers of version 1 again")
    assert load.failures == []
    assert load.wrong == 0
    assert worker.metric('predictq_swaps_total{model="iris"}') == 2


@pytest.mark.parametrize(("broker_url", "victim"), [("sqlite", "worker"), ("redis", "runner")], indirect=["broker_url"])
def test_every_request_is_answered_exactly_once_when_one_of_two_workers_loses(
    broker_url: str, registry_url: str, trained: Iris, victim: str
) -> None:
    with (
        workers(2, broker_url, registry_url, models="iris", lease=1.0) as (first, second),
        Load(broker_url, trained) as load,
    ):
        eventually(lambda: load.answered(1) > 500, "load on both")
        if victim == "worker":
            first.kill()
        else:
            for runner in first.runners():
                os.kill(runner, signal.SIGKILL)
        before = load.answered(1)
        eventually(lambda: load.answered(1) > before + 500, "the rest goes on")
        load.finish()
        assert (load.failures, load.wrong) == ([], 0)
        assert second.get("/readyz")[0] == 200
        eventually(lambda: nothing_left(broker_url), "an empty queue")


def test_sigterm_under_load_harms_no_request(broker_url: str, registry_url: str, trained: Iris) -> None:
    with (
        workers(2, broker_url, registry_url, models="iris", lease=1.0) as (first, _),
        Load(broker_url, trained) as load,
    ):
        eventually(lambda: load.answered(1) > 500, "load on both")
        assert first.stop() == 0
        assert first.saw("worker stopped")
        before = load.answered(1)
        eventually(lambda: load.answered(1) > before + 500, "the other goes on")
        load.finish()
    assert (load.failures, load.wrong) == ([], 0)


@pytest.mark.parametrize("broker_url", ["sqlite"], indirect=True)  # the contract says it of every engine
def test_priorities_reach_the_worker_in_their_order(broker_url: str, registry_url: str) -> None:
    with connect(broker_url) as broker:
        inbox = broker.inbox()
        inbox.expect("iris")
        for priority in (Priority.LOW, Priority.NORMAL, Priority.HIGH):
            body = b"[[5.1,3.5,1.4,0.2]]"
            broker.send([Request("iris", body, id=priority.value, reply_to=inbox.name, priority=priority)])
        with workers(1, broker_url, registry_url, max_batch_rows=1):
            order: list[str] = []
            while len(order) < 3:
                order += [result.id for result in inbox.receive(20)]
        inbox.close()
    assert order == ["high", "normal", "low"]


def nothing_left(broker_url: str) -> bool:
    with connect(broker_url) as broker:
        stats = broker.stats("iris")
    return (stats.queued, stats.in_flight, stats.dead) == (0, 0, 0)
