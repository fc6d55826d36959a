"""The asyncio client against a broker in memory and a worker that answers with the rows it got."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum

import pytest
from echo_worker import EchoWorker, until
from fakes import FakeBroker

from predictq import (
    AsyncClient,
    Cancelled,
    Conflict,
    DeadlineExceeded,
    InvalidInput,
    ModelError,
    QueueFull,
    Settings,
    Unavailable,
)
from predictq_broker import Code, Limits, Request, Result


@asynccontextmanager
async def opened(
    broker: FakeBroker | None = None, settings: Settings | None = None
) -> AsyncIterator[tuple[FakeBroker, AsyncClient]]:
    broker = broker or FakeBroker()
    with EchoWorker(broker, "iris"):
        async with AsyncClient(broker=broker, settings=settings) as client:
            yield broker, client


def test_thousands_of_predictions_at_once_are_sent_together_and_each_gets_its_own_answer() -> None:
    async def scenario() -> None:
        async with opened() as (broker, client):
            asked = (client.predict("iris", [[n]]) for n in range(4000))
            predictions = await asyncio.gather(*asked)
            assert [p.outputs for p in predictions] == [[[n]] for n in range(4000)]
            assert len(broker.sent) <= 40
            assert [request.body for sent in broker.sent for request in sent] == [b"[[%d]]" % n for n in range(4000)]

    asyncio.run(scenario())


def test_each_model_is_sent_to_apart_and_in_order() -> None:
    async def scenario() -> None:
        broker = FakeBroker()
        with EchoWorker(broker, "a", "b"):
            async with AsyncClient(broker=broker) as client:
                await asyncio.gather(*(client.predict("ab"[n % 2], [[n]]) for n in range(100)))
        for model, parity in (("a", 0), ("b", 1)):
            bodies = [r.body for sent in broker.sent for r in sent if r.model == model]
            assert bodies == [b"[[%d]]" % n for n in range(parity, 100, 2)]

    asyncio.run(scenario())


def test_more_than_the_waiting_line_holds_are_let_in_as_it_empties() -> None:
    async def scenario() -> None:
        async with opened(settings=Settings(waiting_requests=100, send_requests=50)) as (broker, client):
            predictions = await asyncio.gather(*(client.predict("iris", [[n]]) for n in range(1000)))
            assert [p.outputs for p in predictions] == [[[n]] for n in range(1000)]
            assert max(len(sent) for sent in broker.sent) <= 50

    asyncio.run(scenario())


def test_a_gate_that_does_not_open_in_time_refuses() -> None:
    async def scenario() -> None:
        broker = FakeBroker()
        broker.fail("send", times=10_000)
        settings = Settings(waiting_requests=2, retry_for=0.4)
        async with AsyncClient(broker=broker, settings=settings) as client:
            asked = (client.submit("iris", [[n]]) for n in range(20))
            ends = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(end) for end in ends} <= {QueueFull, Unavailable}

    asyncio.run(scenario())


def test_cancelling_a_task_withdraws_its_request_and_harms_no_other() -> None:
    async def scenario() -> None:
        broker = FakeBroker()
        async with AsyncClient(broker=broker) as client:
            doomed, other = (asyncio.create_task(client.predict("iris", [[n]])) for n in range(2))
            await asyncio.to_thread(until, lambda: broker.stats("iris").queued == 2)
            doomed.cancel()
            with pytest.raises(asyncio.CancelledError):
                await doomed
            await asyncio.to_thread(until, lambda: broker.stats("iris").queued == 1)
            with EchoWorker(broker, "iris"):
                assert (await other).outputs == [[1]]

    asyncio.run(scenario())


def test_a_future_for_each_of_thousands_brings_its_own_answer_and_they_are_sent_in_order() -> None:
    async def scenario() -> None:
        async with opened() as (broker, client):
            early = [client.ask("iris", [[n]]) for n in range(100)]
            await early[0]
            futures = early + [client.ask("iris", [[n]]) for n in range(100, 3000)]
            assert [(await future).outputs for future in futures] == [[[n]] for n in range(3000)]
            assert [request.body for sent in broker.sent for request in sent] == [b"[[%d]]" % n for n in range(3000)]
            with pytest.raises(InvalidInput):
                client.ask("iris", [])

    asyncio.run(scenario())


def test_cancelling_the_future_of_ask_withdraws_the_request() -> None:
    async def scenario() -> None:
        broker = FakeBroker()
        async with AsyncClient(broker=broker) as client:
            await client.send("iris", [[0]])
            future = client.ask("iris", [[1]])
            await asyncio.to_thread(until, lambda: broker.stats("iris").queued == 2)
            assert future.cancel()
            assert not future.cancel()
            await asyncio.to_thread(until, lambda: broker.stats("iris").queued == 1)

    asyncio.run(scenario())


def test_a_task_cancelled_before_its_request_was_sent_sends_nothing() -> None:
    async def scenario() -> None:
        async with opened() as (broker, client):
            await client.predict("iris", [[0]])
            task = asyncio.create_task(client.predict("iris", [[1]]))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            await client.predict("iris", [[2]])
            assert [r.body for sent in broker.sent for r in sent] == [b"[[0]]", b"[[2]]"]

    asyncio.run(scenario())


def test_submit_returns_when_accepted_and_its_future_brings_the_prediction() -> None:
    async def scenario() -> None:
        broker = FakeBroker()
        async with AsyncClient(broker=broker) as client:
            future = await client.submit("iris", [[1]], id="order-42")
            assert broker.stats("iris").queued == 1
            with EchoWorker(broker, "iris"):
                assert (await future).outputs == [[1]]

    asyncio.run(scenario())


def test_cancelling_the_future_of_submit_withdraws_the_request() -> None:
    async def scenario() -> None:
        broker = FakeBroker()
        async with AsyncClient(broker=broker) as client:
            future = await client.submit("iris", [[1]])
            future.cancel()
            await asyncio.to_thread(until, lambda: broker.stats("iris").queued == 0)

    asyncio.run(scenario())


def test_send_and_its_refusals_are_those_of_the_threaded_client() -> None:
    async def scenario() -> None:
        broker = FakeBroker(Limits(queue_requests=2))
        async with AsyncClient(broker=broker) as client:
            assert await client.send("iris", [[1]], reply_to="nightly", id="a") == "a"
            with pytest.raises(Conflict):
                await client.send("iris", [[2]], reply_to="nightly", id="a")
            await client.send("iris", [[2]])
            with pytest.raises(QueueFull):
                await client.submit("iris", [[3]])

    asyncio.run(scenario())


def test_timeouts_and_error_results_are_raised_in_the_task() -> None:
    async def scenario() -> None:
        broker = FakeBroker()
        async with AsyncClient(broker=broker) as client:
            with pytest.raises(DeadlineExceeded):
                await client.predict("iris", [[1]], timeout=0.05)

            def fail(request: Request) -> Result:
                return Result(request.id, Code.MODEL_ERROR, b"it broke")

            with EchoWorker(broker, "iris", answer=fail), pytest.raises(ModelError, match="it broke"):
                await client.predict("iris", [[1]])

    asyncio.run(scenario())


def test_close_cancels_what_is_outstanding_and_is_prompt() -> None:
    async def scenario() -> None:
        client = AsyncClient(broker=FakeBroker())
        future = await client.submit("iris", [[1]])
        task = asyncio.create_task(client.predict("iris", [[1]]))
        await asyncio.sleep(0.01)
        began = time.monotonic()
        await client.close()
        assert time.monotonic() - began < 1.0
        ends = await asyncio.gather(future, task, return_exceptions=True)
        assert [type(end) for end in ends] == [Cancelled, Cancelled]

    asyncio.run(scenario())


def test_a_client_says_so_when_it_is_used_in_another_loop() -> None:
    client = AsyncClient(broker=FakeBroker())

    async def submit() -> None:
        await client.submit("iris", [[1]])

    asyncio.run(submit())
    with pytest.raises(RuntimeError, match="another event loop"):
        asyncio.run(submit())
    asyncio.run(client.close())


def test_map_yields_in_order_and_stops_cleanly() -> None:
    async def scenario() -> None:
        async with opened() as (broker, client):
            predictions = [p async for p in client.map("iris", ([n] for n in range(25)), chunk=10)]
            assert [row for p in predictions for (row,) in p.outputs] == list(range(25))
        broker = FakeBroker()
        async with AsyncClient(broker=broker) as client:
            bulk = client.map("iris", ([n] for n in range(100)), chunk=1, window=4)
            reading = asyncio.ensure_future(anext(bulk))
            await asyncio.to_thread(until, lambda: broker.stats("iris").queued == 4)
            reading.cancel()
            await asyncio.wait([reading])
            await asyncio.to_thread(until, lambda: broker.stats("iris").queued == 0)

    asyncio.run(scenario())


def test_requests_of_several_kinds_asked_together_keep_their_order_and_each_its_own_deadline() -> None:
    async def scenario() -> None:
        async with opened() as (broker, client):
            await client.predict("iris", [[0]])
            broker.sent.clear()
            asked = [client.ask("iris", [[n]] * (1 + n % 2), timeout=(10.0, 20.0, None)[n % 3]) for n in range(60)]
            assert [(await future).outputs for future in asked] == [[[n]] * (1 + n % 2) for n in range(60)]
            sent = [request for batch in broker.sent for request in batch]
            assert [(request.rows, request.ttl) for request in sent] == [
                (1 + n % 2, (10.0, 20.0, None)[n % 3]) for n in range(60)
            ]
            assert len({request.id for request in sent}) == 60

    asyncio.run(scenario())


def test_what_one_caller_passes_is_not_what_another_sends_be_it_equal() -> None:
    class Name(StrEnum):
        IRIS = "iris"

    async def scenario() -> None:
        async with opened() as (broker, client):
            await client.predict(Name.IRIS, [[1]], timeout=9, key=Name.IRIS)
            await client.predict("iris", [[1]], timeout=9.0, key="iris")
            sent = [request for batch in broker.sent for request in batch]
            assert {(type(request.model), type(request.key), type(request.ttl)) for request in sent} == {
                (str, str, float)
            }

    asyncio.run(scenario())
