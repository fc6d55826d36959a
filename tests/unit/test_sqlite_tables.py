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


def test_the_results_of_a_client_that_is_gone_are_swept(broker: Broker, path: Path) -> None:
    serve(broker, [Request("iris", b"x", f"r{n}", reply_to=broker.inbox().name) for n in range(40)])
    assert counts(path)["reply_tos"] == 40
    until_swept(broker, path, "reply_tos", 0)
    assert counts(path)["results"] == 0


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
