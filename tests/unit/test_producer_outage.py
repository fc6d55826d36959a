"""A broker that goes away and comes back costs a delay, and never an answer or a second run."""

import asyncio
import concurrent.futures
import time
from collections.abc import Iterator

import pytest
from echo_worker import EchoWorker, until
from fakes import FakeBroker, When

from predictq import AsyncClient, Client, DeadlineExceeded, Settings, Unavailable
from predictq.blocking import FutureCall
from predictq.post import Denied, Judged, Post
from predictq_broker import BrokerRefused, BrokerUnavailable, Request, Verdict


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
def client(broker: FakeBroker) -> Iterator[Client]:
    with Client(broker=broker, settings=Settings(retry_for=0.3)) as client:
        yield client


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_request_offered_again_after_a_fault_runs_once(when: When, broker: FakeBroker, client: Client) -> None:
    broker.fail("send", times=2, when=when)
    with EchoWorker(broker, "iris") as worker:
        assert client.predict("iris", [[1]], timeout=5).outputs == [[1]]
    assert len(worker.answered) == 1
    assert len({request.id for sent in broker.sent for request in sent}) == 1
    assert len(broker.sent) == 3 or (when == "after" and len(broker.sent) < 3)  # the answer may come first


def test_an_inbox_that_may_expect_nothing_of_one_model_costs_the_requests_of_no_other(broker: FakeBroker) -> None:
    broker.fail("expect", error=BrokerRefused("not for you"))
    batches = [[Request(model, b"[[1]]", "a")] for model in ("iris", "digits")]
    refused, stored = Post(broker, broker.inbox()).offer(batches, expecting=["iris", "digits"], first=True)
    assert isinstance(refused, Denied)
    assert stored == Judged([Verdict.ACCEPTED])


def test_submit_waits_for_the_verdict_through_an_outage(broker: FakeBroker, client: Client) -> None:
    broker.fail("send", times=2, when="after")
    future = client.submit("iris", [[1]])
    with EchoWorker(broker, "iris"):
        assert future.result(timeout=5).outputs == [[1]]


def test_order_is_kept_through_an_outage(broker: FakeBroker) -> None:
    async def scenario() -> None:
        async with AsyncClient(broker=broker, settings=Settings(send_requests=10)) as client:
            await asyncio.gather(*(client.send("iris", [[n]]) for n in range(100)))

    broker.fail("send", times=3, when="after")
    asyncio.run(scenario())
    assert [request.body for request in broker.known.values()] == [b"[[%d]]" % n for n in range(100)]
    assert broker.stats("iris").queued == 100


def test_an_outage_longer_than_our_patience_is_unavailable_and_says_with_which_id_to_return(
    broker: FakeBroker, client: Client
) -> None:
    broker.fail("send", times=10_000)
    began = time.monotonic()
    with pytest.raises(ConnectionError) as caught:
        client.submit("iris", [[1]])
    assert 0.3 <= time.monotonic() - began < 2.0
    assert isinstance(caught.value, Unavailable)
    assert caught.value.request_id in str(caught.value)


def test_submitting_again_under_the_same_id_finds_the_answer_that_came_meanwhile(
    broker: FakeBroker, client: Client
) -> None:
    broker.fail("send", times=10_000, when="after")
    with EchoWorker(broker, "iris") as worker:
        with pytest.raises(Unavailable) as caught:
            client.send("iris", [[1]], reply_to="")
        with pytest.raises(Unavailable) as caught:
            client.submit("iris", [[1]], id="order-42")
        broker.heal()
        again = client.submit("iris", [[1]], id=caught.value.request_id)
        assert again.result(timeout=5).outputs == [[1]]
    assert [request.id for request in worker.answered].count("order-42") == 1


def test_a_deadline_is_kept_while_the_broker_is_away(broker: FakeBroker) -> None:
    broker.fail("send", times=10_000)
    with Client(broker=broker) as client:
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded, match="cannot be reached"):
            client.predict("iris", [[1]], timeout=0.2)
        assert time.monotonic() - began < 5.0


def test_a_deadline_that_passes_before_the_verdict_leaves_open_whether_it_was_accepted(
    broker: FakeBroker, client: Client
) -> None:
    broker.fail("send", times=10_000)
    with pytest.raises(Unavailable):
        client.submit("iris", [[1]], deadline=0.1)


def test_a_request_that_waited_for_the_broker_has_less_time_left(broker: FakeBroker) -> None:
    with Client(broker=broker) as client:
        broker.fail("send", times=3)
        client.submit("iris", [[1]], deadline=9.0)
    assert broker.sent[0][0].ttl == 9.0
    assert 8.0 < (broker.sent[-1][0].ttl or 0.0) < 8.95


@pytest.mark.parametrize("error", [BrokerUnavailable("gone"), BrokerRefused("no"), RuntimeError("a bug")])
def test_results_are_read_again_after_any_fault(error: Exception, broker: FakeBroker, client: Client) -> None:
    broker.fail("receive", times=3, error=error)
    with EchoWorker(broker, "iris"):
        assert client.predict("iris", [[1]], timeout=5).outputs == [[1]]


def test_a_bug_in_an_engine_is_told_and_the_client_lives(broker: FakeBroker, client: Client) -> None:
    broker.fail("send", error=RuntimeError("a bug"))
    with pytest.raises(Exception, match="a bug"):
        client.submit("iris", [[1]])
    with EchoWorker(broker, "iris"):
        assert client.predict("iris", [[1]], timeout=5).outputs == [[1]]


def test_a_signal_in_one_thread_while_it_sends_harms_no_request_of_another(broker: FakeBroker, client: Client) -> None:
    client.send("iris", [[0]])
    exchange = client._connection._exchange
    assert exchange is not None
    form = Request("iris", b"", reply_to=exchange.reply_to)
    other = FutureCall((form, b"[[1]]", "other", False), 30.0, exchange.abandon)
    exchange._pending.add([other])
    exchange.line.put([other], wake=False)
    broker.fail("send", error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        client.submit("iris", [[2]])
    with EchoWorker(broker, "iris"):
        assert other.future.result(timeout=5).outputs == [[1]]
    assert [request.body for request in broker.known.values()] == [b"[[0]]", b"[[1]]"]


def test_a_broker_that_cannot_open_the_inbox_yet_is_tried_again(broker: FakeBroker, client: Client) -> None:
    broker.fail("expect", times=2)
    with EchoWorker(broker, "iris"):
        assert client.predict("iris", [[1]], timeout=5).outputs == [[1]]


def test_a_waiting_line_that_stays_full_refuses_more(broker: FakeBroker) -> None:
    settings = Settings(waiting_requests=2, retry_for=0.5)
    broker.fail("send", times=10_000)
    with Client(broker=broker, settings=settings) as client, concurrent.futures.ThreadPoolExecutor(8) as pool:
        errors = [f.exception() for f in [pool.submit(client.submit, "iris", [[n]]) for n in range(8)]]
    assert {type(error).__name__ for error in errors} <= {"Unavailable", "QueueFull"}
    assert None not in errors


def test_close_in_an_outage_is_prompt_and_ends_every_call(broker: FakeBroker) -> None:
    broker.fail("send", times=10_000)
    client = Client(broker=broker)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(client.submit, "iris", [[n]]) for n in range(2)]
        asked.append(pool.submit(client.send, "iris", [[9]]))
        asked.append(pool.submit(client.predict, "iris", [[9]]))
        until(lambda: len(broker.sent) > 2)
        began = time.monotonic()
        client.close()
        assert time.monotonic() - began < 1.0
        assert [type(f.exception(timeout=2)).__name__ for f in asked] == ["Cancelled"] * 4
