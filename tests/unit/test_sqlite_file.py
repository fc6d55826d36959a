"""The file behind the embedded broker: whose it is, and what happens when it is harmed."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from predictq_broker.capabilities import Survives
from predictq_broker.errors import BrokerFull, BrokerRefused, BrokerUnavailable
from predictq_broker.messages import Request, Verdict
from predictq_broker.port import Capacity, Limits
from predictq_broker.sqlite import SqliteBroker
from predictq_broker.sqlite.address import Address
from predictq_broker.sqlite.database import Database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "predictq.db"


@pytest.fixture
def broker(path: Path) -> Iterator[SqliteBroker]:
    with SqliteBroker(Database(Address(path), patience=0.05), Limits()) as broker:
        yield broker


def ask(name: str, size: int = 8) -> Request:
    return Request("iris", b"x" * size, name)


def test_the_file_is_made_when_it_is_first_used_for_its_owner_alone(broker: SqliteBroker, path: Path) -> None:
    assert not path.exists()
    broker.models()
    assert path.stat().st_mode & 0o777 == 0o600
    assert Path(f"{path}-wal").stat().st_mode & 0o777 == 0o600


def test_a_file_made_readable_for_a_group_stays_so(broker: SqliteBroker, path: Path) -> None:
    path.touch()
    path.chmod(0o660)
    broker.models()
    assert path.stat().st_mode & 0o777 == 0o660


def test_what_was_accepted_is_there_after_closing(broker: SqliteBroker, path: Path) -> None:
    broker.send([ask("a")])
    broker.close()
    with SqliteBroker.connect(f"sqlite:///{path}", Limits()) as again:
        assert again.stats("iris").queued == 1


def test_a_closed_broker_says_so(broker: SqliteBroker) -> None:
    broker.close()
    broker.close()
    with pytest.raises(BrokerRefused, match="was closed"):
        broker.models()


@pytest.mark.parametrize("part", ["", "-wal"])
def test_a_deleted_file_is_noticed_and_not_written_to(broker: SqliteBroker, path: Path, part: str) -> None:
    broker.send([ask("a")])
    Path(f"{path}{part}").unlink()
    for _ in range(2):
        with pytest.raises(BrokerRefused, match="deleted or replaced"):
            broker.send([ask("b")])


def test_a_replaced_file_is_noticed(broker: SqliteBroker, path: Path) -> None:
    broker.send([ask("a")])
    path.rename(path.with_suffix(".old"))
    path.touch()
    with pytest.raises(BrokerRefused, match="deleted or replaced"):
        broker.stats("iris")


def test_a_consumer_that_waits_notices_a_deleted_file(broker: SqliteBroker, path: Path) -> None:
    consumer = broker.consumer("worker")
    consumer.receive({"iris": Capacity(1)}, 0)
    path.unlink()
    with pytest.raises(BrokerRefused, match="deleted or replaced"):
        consumer.receive({"iris": Capacity(1)}, 10)


def test_a_file_that_is_no_database_is_refused(broker: SqliteBroker, path: Path) -> None:
    path.write_text("dear diary, " * 200)
    with pytest.raises(BrokerRefused, match="name another file"):
        broker.models()
    assert path.read_text().startswith("dear diary")


def test_another_programs_database_is_refused_and_left_alone(broker: SqliteBroker, path: Path) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE diary (day TEXT)")
    with pytest.raises(BrokerRefused, match="another program"):
        broker.models()
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("diary",)]


@pytest.mark.parametrize(
    ("layout", "sentence"), [(999, "install a newer predictq"), (1, "layout 1, of an older predictq")]
)
def test_a_file_of_another_layout_is_refused(broker: SqliteBroker, path: Path, layout: int, sentence: str) -> None:
    broker.models()
    broker.close()
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA user_version = {layout}")
    with (
        SqliteBroker.connect(f"sqlite:///{path}", Limits()) as again,
        pytest.raises(BrokerRefused, match=sentence),
    ):
        again.models()


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with (
        SqliteBroker.connect(f"sqlite:///{tmp_path}/nowhere/predictq.db", Limits()) as broker,
        pytest.raises(BrokerRefused, match="see that its directory exists"),
    ):
        broker.models()


def test_a_lock_held_too_long_is_unavailable_and_works_later(broker: SqliteBroker, path: Path) -> None:
    broker.send([ask("a")])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BrokerUnavailable, match="try again"):
            broker.send([ask("b")])
        assert broker.stats("iris").queued == 1
        other.execute("ROLLBACK")
    assert list(broker.send([ask("b")])) == [Verdict.ACCEPTED]


def test_a_full_disk_stores_nothing_of_the_call(broker: SqliteBroker) -> None:
    broker.send([ask("a")])
    pages = broker._database.pragma("page_count")
    broker._database.pragma(f"max_page_count = {pages + 50}")
    with pytest.raises(BrokerFull, match="no room"):
        broker.send([ask(f"b{n}", 10_000) for n in range(100)])
    assert broker.stats("iris").queued == 1
    assert list(broker.send([ask("b0")])) == [Verdict.ACCEPTED]


def test_a_damaged_file_is_told(broker: SqliteBroker, path: Path) -> None:
    broker.send([ask(f"r{n}", 5000) for n in range(50)])
    broker.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with (
        SqliteBroker.connect(f"sqlite:///{path}", Limits()) as again,
        pytest.raises(BrokerRefused, match="damaged"),
    ):
        again.send([ask("a")])


def test_a_forked_child_connects_itself(broker: SqliteBroker) -> None:
    broker.send([ask("parent")])
    child = os.fork()
    if not child:
        sent = list(broker.send([ask("child")])) == [Verdict.ACCEPTED]
        os._exit(0 if sent else 1)
    assert os.waitpid(child, 0)[1] == 0
    consumer = broker.consumer("worker")
    found = consumer.receive({"iris": Capacity(5)}, 0)
    assert [delivery.request.id for delivery in found] == ["parent", "child"]
    consumer.close()


@pytest.mark.parametrize(
    ("synchronous", "survives"), [("full", Survives.POWER_LOSS), ("normal", Survives.PROCESS_CRASH)]
)
def test_durability_follows_the_url(path: Path, synchronous: str, survives: Survives) -> None:
    with SqliteBroker.connect(f"sqlite:///{path}?synchronous={synchronous}", Limits()) as broker:
        durability = broker.durability()
    if "in memory" in durability.because:
        pytest.skip("this machine's temporary files lie in memory")
    assert durability.survives is survives
    assert f"synchronous={synchronous}" in durability.because


def test_what_lies_in_memory_does_not_survive_a_loss_of_power() -> None:
    memory = Path("/dev/shm")  # noqa: S108  the one place known to be a tmpfs
    if not os.access(memory, os.W_OK):
        pytest.skip("there is no /dev/shm here")
    path = memory / f"predictq-test-{os.getpid()}.db"
    try:
        with SqliteBroker.connect(f"sqlite:///{path}", Limits()) as broker:
            durability = broker.durability()
    finally:
        path.unlink()
    assert durability.survives is Survives.PROCESS_CRASH
    assert "tmpfs" in durability.because


def test_accepting_waits_for_the_disk_and_a_lease_does_not(broker: SqliteBroker) -> None:
    full, normal = 2, 1
    broker.send([ask("a")])
    assert broker._database.pragma("synchronous") == full
    consumer = broker.consumer("worker")
    consumer.receive({"iris": Capacity(1)}, 0)
    assert broker._database.pragma("synchronous") == normal
    consumer.close()
