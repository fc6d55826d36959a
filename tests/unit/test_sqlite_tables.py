"""What the embedded broker keeps, and that it forgets it again."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from predictq_broker.messages import Code, Outcome, Request, Result, Verdict
from predictq_broker.port import Broker, Capacity, Limits
from predictq_broker.sqlite import SqliteBroker

LASTING = {"queues", "streams", "sqlite_sequence"}
"""A row or four for each model; all else goes."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "predictq.db"


@pytest.fixture
def broker(path: Path) -> Iterator[Broker]:
    broker = SqliteBroker.connect(f"sqlite:///{path}", Limits(dedup=0.1, inbox_ttl=0.1))
    yield broker
    broker.close()


def counts(path: Path) -> dict[str, int]:
    """How many rows each table has."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608  our own tables
            for table in tables
        }


def serve(broker: Broker, requests: list[Request]) -> None:
    assert set(broker.send(requests)) == {Verdict.ACCEPTED}
    consumer = broker.consumer("worker")
    held = consumer.receive({"iris": Capacity(len(requests))}, 0)
    consumer.settle([Outcome(each, Result(each.request.id, Code.OK, b"[0]", "iris", 3)) for each in held])
    consumer.close()


def until_swept(broker: Broker, path: Path, table: str, expected: int) -> None:
    """Send now and then, as clients do, until the table holds no more than that."""
    for n in range(500):
        broker.send([Request("other", b"", f"probe{n}")])
        if counts(path)[table] <= expected:
            return
        threading.Event().wait(0.02)
    pytest.fail(f"{table} still holds {counts(path)[table]} rows")


def test_after_an_answer_was_read_only_ids_are_left_and_they_go_too(broker: Broker, path: Path) -> None:
    inbox = broker.inbox()
    serve(broker, [Request("iris", b"x", f"r{n}", reply_to=inbox.name) for n in range(700)])
    assert len(inbox.receive(1)) == 700
    inbox.close()
    left = {table for table, rows in counts(path).items() if rows} - LASTING
    assert left == {"ids", "sendings"}
    until_swept(broker, path, "ids", 10)
    until_swept(broker, path, "sendings", 10)


def test_like_requests_of_a_first_send_and_their_answers_take_a_row_for_64(broker: Broker, path: Path) -> None:
    inbox, consumer = broker.inbox(), broker.consumer("worker")
    requests = [Request("iris", b"x", f"made-together-{n:03}", reply_to=inbox.name) for n in range(130)]
    assert set(broker.send(requests, first=True)) == {Verdict.ACCEPTED}
    assert (counts(path)["requests"], counts(path)["parcel_ids"], counts(path)["ids"]) == (3, 3, 0)
    held = consumer.receive({"iris": Capacity(130)}, 0)
    assert counts(path)["held"] == 3
    assert (
        len(consumer.settle([Outcome(each, Result(each.request.id, Code.OK, b"[0]", "iris", 3)) for each in held]))
        == 130
    )
    assert (counts(path)["requests"], counts(path)["held"], counts(path)["results"]) == (0, 0, 1)
    assert [result.id for result in inbox.receive(1)] == [request.id for request in requests]
    inbox.close()
    consumer.close()
    assert {table for table, rows in counts(path).items() if rows} - LASTING == {"parcel_ids"}
    until_swept(broker, path, "parcel_ids", 0)


def test_large_requests_do_not_make_a_row_larger_than_64_kib(broker: Broker, path: Path) -> None:
    broker.send([Request("iris", b"x" * 30_000, f"made-together-{n:03}") for n in range(7)], first=True)
    assert counts(path)["requests"] == 4


def test_a_parcel_that_is_answered_in_part_is_not_unpacked(broker: Broker, path: Path) -> None:
    consumer = broker.consumer("worker")
    broker.send([Request("iris", b"x", f"made-together-{n:03}") for n in range(64)], first=True)
    held = consumer.receive({"iris": Capacity(64)}, 0)
    for part in (held[:9], held[20:], held[9:20]):
        assert counts(path)["requests"] == 1
        consumer.settle([Outcome(each, Result(each.request.id, Code.OK, b"[0]", "iris", 3)) for each in part])
    assert (counts(path)["requests"], counts(path)["held"]) == (0, 0)
    consumer.close()


def test_an_id_that_was_asked_again_is_not_forgotten_for_the_parcel_that_it_came_in_before(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/predictq.db"
    with SqliteBroker.connect(url, Limits(dedup=0.1)) as brief, SqliteBroker.connect(url, Limits()) as long:
        first, again = Request("iris", b"1", "made-together-000"), Request("iris", b"2", "made-together-000")
        more_than_one_sweep = [Request("iris", b"1", f"{n:03}-000") for n in range(40)]
        brief.send([*more_than_one_sweep, first], first=True)
        threading.Event().wait(0.2)
        assert list(long.send([again])) == [Verdict.ACCEPTED]
        consumer = long.consumer("worker")
        consumer.release(consumer.receive({"iris": Capacity(50)}, 0))
        assert list(long.send([again])) == [Verdict.DUPLICATE]
        consumer.close()


def test_the_results_of_a_client_that_is_gone_are_swept(broker: Broker, path: Path) -> None:
    serve(broker, [Request("iris", b"x", f"r{n}", reply_to=broker.inbox().name) for n in range(40)])
    assert counts(path)["reply_tos"] == 40
    until_swept(broker, path, "reply_tos", 0)
    assert counts(path)["results"] == 0


def test_answers_that_stand_in_one_row_are_swept_too(broker: Broker, path: Path) -> None:
    gone = broker.inbox().name
    serve(broker, [Request("iris", b"x", f"r{n}", reply_to=gone) for n in range(40)])
    until_swept(broker, path, "reply_tos", 0)


def test_a_number_of_a_closed_inbox_is_used_again(broker: Broker, path: Path) -> None:
    inboxes = [broker.inbox() for _ in range(3)]
    for n, inbox in enumerate(inboxes):
        serve(broker, [Request("iris", b"x", f"a{n}", reply_to=inbox.name)])
    inboxes[1].close()
    serve(broker, [Request("iris", b"x", "b", reply_to="answers")])
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT reply FROM reply_tos WHERE name = 'answers'").fetchall()
    assert found == [(2,)]


def test_a_watcher_that_stood_still_itself_fences_nobody_at_once(broker: Broker) -> None:
    held, watcher = broker.consumer("held", lease=0.2), broker.consumer("watcher", lease=0.2)
    broker.send([Request("iris", b"x", "a")])
    assert len(held.receive({"iris": Capacity(1)}, 0)) == 1
    assert watcher.reclaim() == 0
    threading.Event().wait(0.5)
    assert watcher.reclaim() == 0  # as after a suspend: it saw no heart beat because it did not look
    held.renew()
    for _ in range(3):
        threading.Event().wait(0.02)
        assert watcher.reclaim() == 0
    held.close()
    watcher.close()


def test_a_foreign_send_to_a_bad_model_is_refused(broker: Broker, path: Path) -> None:
    broker.models()
    with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.IntegrityError, match="model must be"):
        connection.execute("INSERT INTO send (model, id, body) VALUES ('a/b', 'x', '[]')")


def test_a_foreign_row_of_any_type_harms_nobody(broker: Broker, path: Path) -> None:
    broker.models()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO send (model, id, body) VALUES ('iris', CAST(x'ff00ff' AS TEXT), 12.5)")
        connection.execute("INSERT INTO send (model, id, rows, ttl) VALUES ('iris', 7, 2, 1.5)")
        connection.execute("INSERT INTO send (model) VALUES ('iris')")
    consumer = broker.consumer("worker")
    held = consumer.receive({"iris": Capacity(9)}, 0)
    assert [each.fault is not None for each in held] == [True, True, True]
    consumer.settle([Outcome(each, Result(each.request.id, Code.INVALID_INPUT, b"no")) for each in held])
    consumer.close()
    assert broker.stats("iris") == (0, 0, 0.0, 0, 0)
