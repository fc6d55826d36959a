"""A primary with replicas, watched by Sentinels: it dies, a replica takes its place, and everybody goes on."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from contract.flow import Flow
from contract.making import ask, eventually, send
from redis_forms import Watched
from servers import RedisServer

from predictq_broker import BrokerUnavailable, Survives, Verdict, connect


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with Watched(tmp_path, appendfsync="always") as watched:
        yield watched


def fail_over(watched: Watched) -> RedisServer:
    """Kill the primary; returns it once another one stands in its place."""
    died = watched.primary
    died.kill()
    eventually(lambda: watched.primary is not died, 30)
    return died


def test_who_asks_answers_and_reads_goes_on_with_the_new_primary(tmp_path: Path) -> None:
    with Watched(tmp_path, replicas=2) as watched, Flow(f"{watched.url}?wait_replicas=1") as flow:
        flow.at_least(100)
        fail_over(watched)
        flow.at_least(100)
        assert flow.ebb() == set()
    assert flow.unknown == set()


def test_without_replicas_that_confirm_a_request_counts_as_unknown_the_second_time_too(watched: Watched) -> None:
    (replica,) = watched.servers[1:]
    with connect(f"{watched.url}?wait_replicas=1") as broker:
        send(broker, ask("before"))
        with paused(replica):
            for _ in range(2):
                with pytest.raises(BrokerUnavailable, match="0 instead of 1 replicas"):
                    broker.send([ask("a")])
        assert list(broker.send([ask("a")])) == [Verdict.DUPLICATE]
        assert broker.stats("iris").queued == 2


@contextlib.contextmanager
def paused(server: RedisServer) -> Iterator[None]:
    """While its process stands still."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_the_loss_of_a_node_is_survived_only_if_replicas_confirm(watched: Watched) -> None:
    with connect(watched.url) as broker:
        assert broker.durability().survives is Survives.POWER_LOSS
    with connect(f"{watched.url}?wait_replicas=1") as broker:
        assert broker.durability() == (
            Survives.NODE_LOSS,
            "appendonly is on with appendfsync always, and 1 of 1 replicas confirm",
        )
    with connect(f"{watched.url}?wait_replicas=2") as broker:
        survives, because = broker.durability()
        assert survives is Survives.POWER_LOSS
        assert "wait_replicas is 2, and the server shows 1 connected replicas" in because


def test_a_primary_that_the_sentinels_do_not_know_is_waited_for(watched: Watched) -> None:
    with (
        connect(watched.url.replace(watched.SERVICE, "another")) as broker,
        pytest.raises(BrokerUnavailable, match="No master found for 'another'"),
    ):
        broker.send([ask()])
