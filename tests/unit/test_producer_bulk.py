"""`map`: any number of rows through a bounded window of chunks, in order."""

import itertools
from collections.abc import Iterator
from concurrent.futures import Future

import numpy as np
import pandas as pd
import pytest
from echo_worker import EchoWorker, until
from fakes import FakeBroker

from predictq import Client, InvalidInput, ModelError, Prediction, QueueFull
from predictq.bulk import Collect, Pause, Plan, Start
from predictq.settings import Settings
from predictq_broker import Code, Limits, Request, Result


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
def client(broker: FakeBroker) -> Iterator[Client]:
    with Client(broker=broker) as client:
        yield client


def test_predictions_come_in_order_one_for_each_chunk(broker: FakeBroker, client: Client) -> None:
    with EchoWorker(broker, "iris"):
        predictions = list(client.map("iris", [[n] for n in range(95)], chunk=10))
    assert [len(p.outputs) for p in predictions] == [10] * 9 + [5]
    assert [row for p in predictions for (row,) in p.outputs] == list(range(95))


def test_arrays_and_frames_go_in_chunks(broker: FakeBroker, client: Client) -> None:
    array = np.arange(10.0).reshape(5, 2)
    with EchoWorker(broker, "iris"):
        parts = [p.outputs for p in client.map("iris", array, chunk=2)]
        records = [p.outputs for p in client.map("iris", pd.DataFrame(array, columns=["a", "b"]), chunk=2)]
    np.testing.assert_array_equal(np.concatenate(parts), array)
    assert [len(part) for part in records] == [2, 2, 1]


def test_an_endless_source_is_read_only_as_far_as_the_window_reaches(broker: FakeBroker, client: Client) -> None:
    read = 0

    def rows() -> Iterator[list[int]]:
        nonlocal read
        for read in itertools.count(1):
            yield [read]

    with EchoWorker(broker, "iris"):
        bulk = client.map("iris", rows(), chunk=10, window=4)
        for taken in range(1, 21):
            next(bulk)
            assert read <= (taken + 4) * 10
        bulk.close()


def test_a_full_queue_is_waited_for() -> None:
    broker = FakeBroker(Limits(queue_requests=2))
    with Client(broker=broker) as client, EchoWorker(broker, "iris"):
        predictions = list(client.map("iris", [[n] for n in range(50)], chunk=1, window=8))
    assert [p.outputs for p in predictions] == [[[n]] for n in range(50)]


def test_chunks_that_are_all_there_go_half_a_window_at_a_time() -> None:
    futures = [Future[Prediction]() for _ in range(4)]
    plan = Plan[Future[Prediction]]([[n] for n in range(7)], 1, 4, {}, Settings())
    for first, burst in enumerate(([[[0]], [[1]]], [[[2]], [[3]]])):
        step = plan.next()
        assert step == Start(burst)
        assert isinstance(step, Start)
        plan.told(step, futures[2 * first : 2 * first + 2])
    assert [plan.next(), plan.next()] == [Collect(futures[0]), Collect(futures[1])]
    assert plan.next() == Start([[[4]], [[5]]])


def test_chunks_of_a_generator_go_as_they_come() -> None:
    plan = Plan[Future[Prediction]](([n] for n in range(7)), 1, 4, {}, Settings())
    assert plan.next() == Start([[[0]]])


def test_a_chunk_that_found_no_room_is_tried_again_when_one_of_ours_has_come_back() -> None:
    first, behind = Future[Prediction](), Future[Prediction]()
    plan = Plan[Future[Prediction]]([[1], [2], [3]], 1, 8, {}, Settings())
    start = plan.next()
    assert start == Start([[[1]], [[2]], [[3]]])
    assert isinstance(start, Start)
    plan.told(start, [first, QueueFull("full", retry_after=2.0), behind])
    assert behind.cancelled()  # its answer would come out of turn
    assert plan.next() == Collect(first)
    assert plan.next() == Start([[[2]], [[3]]])


def test_a_chunk_that_found_a_queue_filled_by_others_waits_a_jittered_while() -> None:
    plan = Plan[Future[Prediction]]([[1]], 1, 8, {}, Settings())
    refused = plan.next()
    assert isinstance(refused, Start)
    plan.told(refused, [QueueFull("full", retry_after=2.0)])
    pause = plan.next()
    assert isinstance(pause, Pause)
    assert 1.0 <= pause.seconds <= 2.0
    assert plan.next() == refused


def test_stopping_early_cancels_what_is_on_its_way(broker: FakeBroker, client: Client) -> None:
    bulk = client.map("iris", ([n] for n in range(100)), chunk=1, window=4)
    with EchoWorker(broker, "iris"):
        next(bulk)
    bulk.close()
    until(lambda: broker.stats("iris").queued == 0)


def test_a_chunk_that_fails_raises_in_its_place(broker: FakeBroker, client: Client) -> None:
    def answer(request: Request) -> Result:
        if request.body == b"[[2]]":
            return Result(request.id, Code.MODEL_ERROR, b"it broke", model="iris")
        return Result(request.id, Code.OK, request.body, model="iris")

    with EchoWorker(broker, "iris", answer=answer):
        bulk = client.map("iris", [[n] for n in range(10)], chunk=1)
        assert [next(bulk).outputs for _ in range(2)] == [[[0]], [[1]]]
        with pytest.raises(ModelError):
            next(bulk)
        with pytest.raises(StopIteration):
            next(bulk)


@pytest.mark.parametrize("arguments", [{"chunk": 0}, {"window": 0}, {"window": -1}, {"id": "x"}])
def test_arguments_that_make_no_sense_are_refused_at_once(arguments: dict[str, object], client: Client) -> None:
    with pytest.raises(InvalidInput):
        client.map("iris", [[1]], **arguments)  # type: ignore[arg-type]  # that is the point
