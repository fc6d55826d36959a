"""A broker that says no to a worker: the worker turns unready and says why, and is well again when the broker is."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
import redis
from audit import Audit
from models import Iris
from servers import RedisServer, free_port
from workers import WorkerProcess, eventually, workers

from predictq_registry import Registry


class Bench(NamedTuple):
    """One worker, who asks it, and the server between them, as an administrator sees it.

    Attributes:
        before: How many log lines the worker had written when the test began.
    """

    worker: WorkerProcess
    audit: Audit
    admin: "redis.Redis"
    before: int = 0

    def told(self, event: str) -> int:
        """How often the worker has said so since the test began."""
        return [line["event"] for line in self.worker.events[self.before :]].count(event)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, trained: Iris) -> Iterator[Bench]:
    """It lives through all of it: what a test has done is undone when it ends."""
    folder = tmp_path_factory.mktemp("refused")
    registry = Registry(str(folder / "models"))
    registry.publish("iris", trained.good, sample=trained.rows, alias="production")
    with RedisServer(folder) as server, redis.Redis(port=server.port) as admin:
        admin.execute_command("ACL", "SETUSER", "worker", "on", ">secret", "~*", "+@all")
        url = server.url.replace("redis://", "redis://worker:secret@")
        with workers(1, url, registry.url, models="iris", lease=1.0) as (worker,), Audit(server.url, trained) as audit:
            yield Bench(worker, audit, admin)


@pytest.fixture
def bench(served: Bench) -> Bench:
    """It is well, and has answered."""
    served.audit.ask(10)
    all_is_well(served)
    return served._replace(before=len(served.worker.events))


def complains(worker: WorkerProcess, *words: str) -> None:
    """Wait until the worker is unready and says all these words."""

    def says_so() -> bool:
        status, page = worker.get("/readyz")
        return status == 503 and all(word in page for word in words)

    eventually(says_so, f"the worker says {words}")


def all_is_well(bench: Bench) -> None:
    """What was accepted is answered, once; nothing is left; the worker is ready."""
    bench.audit.wait_for_all()
    bench.worker.wait_ready()
    assert (bench.audit.doubled, bench.audit.wrong, set(bench.audit.codes)) == ([], [], {"ok"})
    eventually(lambda: bench.worker.metric('predictq_in_flight_requests{model="iris"}') == 0, "nothing is in flight")
    assert bench.worker.metric('predictq_queued_requests{model="iris"}') == 0


def no_rights_to_settle(admin: "redis.Redis") -> None:
    admin.execute_command("ACL", "SETUSER", "worker", "-xack")


def rights_again(admin: "redis.Redis") -> None:
    admin.execute_command("ACL", "SETUSER", "worker", "+@all")


def test_a_worker_that_may_not_settle_says_so_and_settles_when_it_may(bench: Bench) -> None:
    before = bench.audit.answered
    no_rights_to_settle(bench.admin)
    bench.audit.ask(50)
    complains(bench.worker, "answers cannot be settled", "this user may not do that")
    assert bench.told("cannot settle yet")
    assert bench.audit.answered == before
    rights_again(bench.admin)
    all_is_well(bench)


def test_a_worker_that_may_not_renew_its_lease_says_so(bench: Bench) -> None:
    bench.admin.execute_command("ACL", "SETUSER", "worker", "-hincrby", "-hset", "-hget", "-hgetall")
    complains(bench.worker, "the lease cannot be renewed")
    rights_again(bench.admin)
    bench.audit.ask(50)
    all_is_well(bench)


def test_a_worker_that_is_locked_out_says_so(bench: Bench) -> None:
    bench.admin.execute_command("ACL", "SETUSER", "worker", "off")
    bench.admin.execute_command("CLIENT", "KILL", "USER", "worker")
    complains(bench.worker, "the broker does not answer", "login was refused")
    bench.audit.ask(50)
    bench.admin.execute_command("ACL", "SETUSER", "worker", "on")
    all_is_well(bench)


def hand_over(admin: "redis.Redis") -> None:
    """The server becomes a replica of one that is not there, and so takes no writes."""
    admin.execute_command("REPLICAOF", "127.0.0.1", free_port())


def test_a_worker_of_a_server_that_became_a_replica_says_so_and_goes_on_when_it_is_the_primary_again(
    bench: Bench,
) -> None:
    hand_over(bench.admin)
    complains(bench.worker, "the broker does not answer", "replica")
    bench.admin.execute_command("REPLICAOF", "NO", "ONE")
    bench.audit.ask(50)
    all_is_well(bench)


@pytest.mark.parametrize("harm", ["SET", "LPUSH"])
def test_a_queue_that_is_no_stream_any_more_is_told_and_works_again_when_that_is_gone(bench: Bench, harm: str) -> None:
    queue = "predictq:{iris}:requests:normal"
    with bench.admin.pipeline(transaction=True) as at_once:  # or the worker makes the queue anew in between
        at_once.delete(queue)
        at_once.execute_command(harm, queue, "harm")
        at_once.execute()
    complains(bench.worker, "WRONGTYPE")
    bench.admin.delete(queue)
    bench.audit.ask(50)
    all_is_well(bench)


def test_a_refusal_that_lasts_costs_the_broker_no_more_than_a_few_calls_a_second(bench: Bench) -> None:
    no_rights_to_settle(bench.admin)
    bench.audit.ask(50)
    complains(bench.worker, "answers cannot be settled")
    before = len(bench.worker.events)
    eventually(lambda: len(bench.worker.events) > before, "it tries again")
    assert bench.told("cannot settle yet") < 20
    rights_again(bench.admin)
    all_is_well(bench)
