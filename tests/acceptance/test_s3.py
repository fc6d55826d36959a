"""Workers with a registry in S3: who fetches what, who goes on with it, and what a server in trouble costs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from elsewhere import Elsewhere
from models import Iris
from s3 import S3Server, Troubles
from workers import WorkerProcess, eventually

from predictq import Client
from predictq_registry import Registry

ROW = [5.1, 3.5, 1.4, 0.2]
CHUNK = 8 << 20


@pytest.fixture
def registry(s3_url: str) -> Registry:
    return Registry(s3_url)


@contextmanager
def worker(folder: Path, registry: Registry, **settings: Any) -> Iterator[WorkerProcess]:
    started = WorkerProcess(
        f"sqlite:///{folder}/q.db", registry.url, cache=folder / "cache", lease=1.0, **{"models": "iris", **settings}
    )
    try:
        yield started
    finally:
        started.close()


def publish_large(registry: Registry, trained: Iris) -> str:
    """A release of 40 MB; the digest of its file."""
    model = Elsewhere(trained.good, "")
    model.ballast = os.urandom(40 << 20)  # type: ignore[attr-defined]  # nobody looks at it
    manifest = registry.publish("iris", model, sample=trained.rows, alias="production")
    return manifest.files[0].sha256


def starts(s3_server: S3Server, digest: str) -> list[int]:
    """Where the parts of that file began that were asked for."""
    return [int(part[6:].split("-")[0]) for _, path, part in list(s3_server.asked) if path.endswith(digest) and part]


def test_two_workers_on_one_machine_fetch_a_release_once(
    registry: Registry, s3_server: S3Server, tmp_path: Path, trained: Iris
) -> None:
    digest = publish_large(registry, trained)
    s3_server.asked.clear()
    s3_server.troubles.pace = 0.02
    with worker(tmp_path, registry) as first, worker(tmp_path, registry) as second:
        for either in (first, second):
            either.wait_ready()
        assert first.saw("fetched a file") or second.saw("fetched a file")
        assert first.saw("another worker fetches this file") or second.saw("another worker fetches this file")
        with Client(f"sqlite:///{tmp_path}/q.db") as client:
            assert client.predict("iris", [ROW], timeout=30).outputs == [0]
    assert starts(s3_server, digest) == [CHUNK * n for n in range(6)]


def test_a_worker_killed_while_it_fetched_leaves_what_it_had_to_the_next(
    registry: Registry, s3_server: S3Server, tmp_path: Path, trained: Iris
) -> None:
    digest = publish_large(registry, trained)
    s3_server.asked.clear()
    s3_server.troubles.pace = 0.1
    part = tmp_path / "cache" / "files" / f"{digest}.part"
    with worker(tmp_path, registry) as killed:
        eventually(lambda: part.exists() and part.stat().st_size >= 2 * CHUNK, "some of it is here")
        assert killed.saw("fetching a file")
        killed.kill()
    had = part.stat().st_size
    s3_server.asked.clear()
    s3_server.troubles.pace = 0.0
    with worker(tmp_path, registry) as following:
        following.wait_ready()
        fetched = following.saw("fetched a file")
        assert fetched
        assert f"{had} bytes were here" in fetched["took"]
    assert min(starts(s3_server, digest)) == had


def test_what_serves_goes_on_while_s3_is_away_and_follows_when_it_is_back(
    registry: Registry, s3_server: S3Server, tmp_path: Path, trained: Iris
) -> None:
    for model in (trained.good, trained.other):
        registry.publish("iris", model, sample=trained.rows)
    registry.set_alias("iris", "production", 1)
    with worker(tmp_path, registry, models="*") as only, Client(f"sqlite:///{tmp_path}/q.db") as client:
        assert client.predict("iris", [ROW], timeout=30).version == 1
        s3_server.troubles.failures = 1_000_000
        eventually(lambda: only.get("/readyz")[0] == 503, "it says that the models cannot be listed", timeout=60)
        assert client.predict("iris", [ROW], timeout=30).version == 1
        s3_server.troubles.failures = 0
        registry.set_alias("iris", "production", 2)
        eventually(lambda: client.predict("iris", [ROW], timeout=30).version == 2, "it follows", timeout=60)
        eventually(lambda: only.get("/readyz")[0] == 200, "it is ready", timeout=60)


def test_answers_that_break_off_and_a_server_that_takes_its_time_delay_a_release_and_no_more(
    registry: Registry, s3_server: S3Server, tmp_path: Path, trained: Iris
) -> None:
    digest = publish_large(registry, trained)
    s3_server.asked.clear()
    s3_server.troubles = Troubles(delay=0.1, cuts=3)
    with worker(tmp_path, registry) as only:
        only.wait_ready(90)
    assert s3_server.troubles.cuts == 0
    assert set(starts(s3_server, digest)) == {CHUNK * n for n in range(6)}


def test_a_registry_that_may_only_be_read_serves_and_takes_no_notes(
    registry: Registry, s3_server: S3Server, tmp_path: Path, trained: Iris
) -> None:
    registry.publish("iris", trained.good, sample=trained.rows, alias="production")
    registry.publish("iris", Elsewhere(trained.other, "crashes"), sample=trained.rows)
    with worker(tmp_path, registry) as only, Client(f"sqlite:///{tmp_path}/q.db") as client:
        only.wait_ready()
        registry.set_alias("iris", "production", 2)
        s3_server.troubles.read_only = True
        refused = eventually(lambda: only.saw("the registry does not take the reason"), "it is tried")
        assert "Denied" in refused["why"]
        assert client.predict("iris", [ROW], timeout=30).version == 1
