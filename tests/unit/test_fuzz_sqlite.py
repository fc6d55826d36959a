"""A SQLite file in which other programs write: a row that is no request is a fault, a damaged file a typed error."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fuzzing import effort, soon
from hypothesis import given
from hypothesis import strategies as st

from predictq_broker import BrokerError, Capacity, Code, Outcome, Request, Result, connect

COLUMNS = [
    "priority",
    "v",
    "id",
    "reply_to",
    "ttl",
    "ref",
    "method",
    "content_type",
    "rows",
    "key",
    "traceparent",
    "body",
]
values = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.sampled_from(["", "a", "1", "high", "low", "é", "\0", "a\nb", "x" * 200, "x" * 5000, "[[1]]", '{"a":', "1e999"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    st.binary(max_size=9),
)
rows = st.dictionaries(st.sampled_from(COLUMNS), values, max_size=8)


@given(st.lists(rows, min_size=1, max_size=4))
@effort(150, 5_000)
def test_any_row_of_the_view_is_a_request_or_a_fault_and_harms_no_neighbour(found: list[dict[str, Any]]) -> None:
    path = Path.cwd() / f"{uuid4().hex}.db"
    with soon(), connect(f"sqlite:///{path}?synchronous=normal") as broker:
        broker.send([Request("iris", b"[[1]]", "before")])
        stored = sum(insert(path, row) for row in found)
        broker.send([Request("iris", b"[[1]]", "after")])
        consumer = broker.consumer("worker")
        deliveries = consumer.receive({"iris": Capacity(10)}, 0)
        assert len(deliveries) == stored + 2
        assert {"before", "after"} <= {delivery.request.id for delivery in deliveries if delivery.fault is None}
        outcomes = [
            Outcome(delivery, Result(delivery.request.id, Code.DEAD_LETTERED, b"no", "iris")) for delivery in deliveries
        ]
        assert len(consumer.bury(outcomes)) == len(outcomes)
        assert len(broker.dead("iris").list()) == len(outcomes)
        assert broker.dead("iris").replay() == len(outcomes)
        consumer.close()


def insert(path: Path, row: dict[str, Any]) -> int:
    """Write into the view as the shell would; how many rows that gave."""
    names, marks = ", ".join(["model", *row]), ", ".join("?" * (1 + len(row)))
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        try:
            connection.execute(f"INSERT INTO send ({names}) VALUES ({marks})", ["iris", *row.values()])  # noqa: S608
        except sqlite3.Error:
            return 0
        return 1


harms = st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=40)


@given(harms, st.sampled_from([0, 0, 100, 4096]))
@effort(60, 3_000)
def test_a_damaged_file_is_a_typed_error_or_is_read_as_far_as_it_can_be(found: list[tuple[int, int]], cut: int) -> None:
    path = Path.cwd() / f"{uuid4().hex}.db"
    with connect(f"sqlite:///{path}") as broker:
        broker.send([Request("iris", b"[[1]]", name, reply_to="answers") for name in "abc"])
    data = bytearray(path.read_bytes())
    for place, byte in found:
        data[place % len(data)] = byte
    path.write_bytes(data[: len(data) - cut])
    with soon(), contextlib.suppress(BrokerError), connect(f"sqlite:///{path}") as broker:
        broker.stats("iris")
        broker.send([Request("iris", b"[[1]]", "d")])
        consumer = broker.consumer("worker")
        consumer.settle(
            [
                Outcome(delivery, Result(delivery.request.id, Code.OK, b"[0]", "iris"))
                for delivery in consumer.receive({"iris": Capacity(10)}, 0)
            ]
        )
        broker.subscription("answers").receive(10, 0)
        broker.cancel("iris", ["d"])
        broker.dead("iris").list()


def test_a_status_of_a_later_version_is_an_internal_error(tmp_path: Path) -> None:
    path = tmp_path / "later.db"
    with connect(f"sqlite:///{path}") as broker:
        broker.send([Request("iris", b"[[1]]", "a", reply_to="answers")])
        consumer = broker.consumer("worker")
        (delivery,) = consumer.receive({"iris": Capacity(10)}, 0)
        consumer.settle([Outcome(delivery, Result("a", Code.OK, b"[0]", "iris"))])
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE results SET status = 'throttled'")
        (given,) = broker.subscription("answers").receive(10, 0)
        assert given.result.status is Code.INTERNAL


@pytest.fixture(autouse=True)
def _files_are_made_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
