"""Files of a remote store on this machine: fetched once, gone on with, verified, and bounded."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from workers import eventually, python_env

from predictq_registry import Cache, InvalidRelease, Progress, ReleaseFile, Stage, StoreError
from predictq_registry.manifest import sha256_of

SIZE = 20 << 20
CONTENT = os.urandom(1 << 20) * 20


def named(content: bytes) -> ReleaseFile:
    return ReleaseFile(name="model.joblib", sha256=sha256_of(content), size=len(content))


class Store:
    """A file somewhere else, and which parts of it were asked for."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.content = content
        self.asked: list[int] = []
        self.away_at: int | None = None

    def read(self, start: int, end: int) -> bytes:
        self.asked.append(start)
        if self.away_at is not None and start >= self.away_at:
            raise StoreError("the store is away")
        return self.content[start:end]


@pytest.fixture
def told() -> list[Progress]:
    return []


@pytest.fixture
def cache(tmp_path: Path, told: list[Progress]) -> Cache:
    return Cache(tmp_path / "cache", 1 << 30, told.append)


FILE = named(CONTENT)


def test_a_file_is_fetched_once_in_parts_and_told_of(cache: Cache, told: list[Progress], tmp_path: Path) -> None:
    store = Store()
    assert cache.get(FILE, store.read) == CONTENT
    assert store.asked == [0, 8 << 20, 16 << 20]
    assert cache.get(FILE, Store(b"").read) == CONTENT
    assert [progress.stage for progress in told] == [Stage.FETCHING, Stage.FETCHED]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [FILE.sha256]


def test_what_was_fetched_before_the_store_went_away_is_not_fetched_again(cache: Cache) -> None:
    store = Store()
    store.away_at = 16 << 20
    with pytest.raises(StoreError):
        cache.get(FILE, store.read)
    store.away_at = None
    assert cache.get(FILE, store.read) == CONTENT
    assert store.asked == [0, 8 << 20, 16 << 20, 16 << 20]


@pytest.mark.parametrize("left", [b"garbage", b"x" * SIZE, b"x" * (SIZE + 5), CONTENT[:-1] + b"\0"])
def test_what_was_left_of_something_else_is_fetched_anew(left: bytes, cache: Cache, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / f"{FILE.sha256}.part").write_bytes(left)
    assert cache.get(FILE, Store().read) == CONTENT


def test_a_file_that_was_altered_here_is_fetched_anew(cache: Cache, tmp_path: Path) -> None:
    cache.get(FILE, Store().read)
    (tmp_path / "cache" / FILE.sha256).write_bytes(b"\0" + CONTENT[1:])
    store = Store()
    assert cache.get(FILE, store.read) == CONTENT
    assert store.asked


def test_a_link_in_the_cache_is_not_followed(cache: Cache, tmp_path: Path, told: list[Progress]) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "elsewhere").write_bytes(CONTENT)
    (tmp_path / "cache" / FILE.sha256).symlink_to(tmp_path / "elsewhere")
    store = Store()
    assert cache.get(FILE, store.read) == CONTENT
    assert store.asked == [0]
    assert told[-1].stage is Stage.UNCACHED


def test_what_the_store_has_altered_is_never_kept(cache: Cache, tmp_path: Path) -> None:
    altered = b"\0" + CONTENT[1:]
    assert cache.get(FILE, Store(altered).read) == altered  # refused where it is loaded, as without a cache
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_store_whose_file_is_too_short_is_told(cache: Cache) -> None:
    with pytest.raises(InvalidRelease, match=f"has {SIZE - 1} bytes in the registry instead of {SIZE}"):
        cache.get(FILE, Store(CONTENT[:-1]).read)


def test_a_folder_that_cannot_be_used_costs_a_fetch_and_nothing_else(tmp_path: Path, told: list[Progress]) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = Cache(tmp_path / "file" / "cache", 1 << 30, told.append)
    for _ in range(2):
        assert cache.get(FILE, Store().read) == CONTENT
    assert {progress.stage for progress in told} == {Stage.UNCACHED}


def test_what_was_used_longest_ago_goes_when_there_is_no_room(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 250)
    contents = [bytes([number]) * 100 for number in range(3)]
    for at, content in enumerate(contents[:2]):
        cache.get(named(content), Store(content).read)
        os.utime(tmp_path / "cache" / sha256_of(content), (at, at))
    cache.get(named(contents[0]), Store(b"").read)
    cache.get(named(contents[2]), Store(contents[2]).read)
    kept = {path.name for path in (tmp_path / "cache").iterdir()}
    assert kept == {sha256_of(contents[0]), sha256_of(contents[2])}


def test_of_many_who_want_a_file_at_once_one_fetches(tmp_path: Path, told: list[Progress]) -> None:
    store, gate, got = Store(), threading.Event(), list[bytes]()

    def read(start: int, end: int) -> bytes:
        gate.wait(10)
        return store.read(start, end)

    def want() -> None:
        got.append(Cache(tmp_path / "cache", 1 << 30, told.append).get(FILE, read))

    threads = [threading.Thread(target=want) for _ in range(6)]
    for thread in threads:
        thread.start()
    eventually(lambda: sum(progress.stage is Stage.WAITING for progress in list(told)) == 5, "the others wait")
    gate.set()
    for thread in threads:
        thread.join(10)
    assert got == [CONTENT] * 6
    assert len(store.asked) == 3


FETCHER = """
import sys, time
from pathlib import Path
from predictq_registry import Cache, ReleaseFile

def read(start, end):
    if start >= 8 << 20:
        print("half", flush=True)
        time.sleep(60)
    return Path(sys.argv[2]).read_bytes()[start:end]

Cache(Path(sys.argv[1]), 1 << 30).get(ReleaseFile(name="f", sha256=sys.argv[3], size=20 << 20), read)
"""


def test_who_is_killed_while_fetching_leaves_what_he_had_and_no_lock(cache: Cache, tmp_path: Path) -> None:
    (tmp_path / "content").write_bytes(CONTENT)
    command = [sys.executable, "-c", FETCHER, str(tmp_path / "cache"), str(tmp_path / "content"), FILE.sha256]
    with subprocess.Popen(command, env=python_env(), stdout=subprocess.PIPE) as fetcher:
        assert fetcher.stdout
        fetcher.stdout.readline()
        fetcher.kill()
    store = Store()
    assert cache.get(FILE, store.read) == CONTENT
    assert store.asked == [8 << 20, 16 << 20]
