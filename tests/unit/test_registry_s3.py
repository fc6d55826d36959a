"""A registry in S3: whole files, created by one writer only, whatever the server is like just now."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from s3 import S3Server
from sklearn.linear_model import LogisticRegression

from predictq_registry import Cache, Registry, StoreError, load

ROWS = [[5.1, 3.0], [6.2, 2.5], [7.3, 1.5], [4.4, 3.5]]


@pytest.fixture
def registry(s3_url: str) -> Registry:
    return Registry(s3_url)


def publish(registry: Registry, c: float = 1.0) -> int:
    model = LogisticRegression(C=c).fit(ROWS, list("abba"))
    return registry.publish("iris", model, sample=ROWS, alias="production").version


def test_a_release_is_published_listed_found_and_loaded(registry: Registry) -> None:
    assert [publish(registry), publish(registry, 2.0)] == [1, 2]
    assert registry.models() == registry.listed() == ["iris"]
    assert registry.resolve("iris", "production") == 2
    load(registry.fetch("iris", 2)).check_golden()
    registry.rollback("iris", "production")
    assert Registry(registry.url).resolve("iris", "production") == 1


def test_of_many_writers_at_once_each_writes_a_revision_of_its_own(registry: Registry) -> None:
    publish(registry)
    with ThreadPoolExecutor(8) as threads:
        changes = list(threads.map(lambda n: Registry(registry.url).set_alias("iris", f"alias{n}", 1), range(24)))
    assert sorted(change.revision for change in changes) == list(range(2, 26))
    assert set(registry.aliases("iris").table) == {"production", *(f"alias{n}" for n in range(24))}


def test_many_publishers_at_once_get_versions_of_their_own(s3_url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(lambda n: publish(Registry(s3_url), n + 1.0), range(8))) == list(range(1, 9))


def test_a_change_whose_answer_was_lost_happened_once(registry: Registry, s3_server: S3Server) -> None:
    publish(registry)
    s3_server.troubles.lost = 1
    registry.set_alias("iris", "candidate", 1)
    assert [change.alias for change in registry.history("iris")] == ["production", "candidate"]


def test_a_server_that_overwrites_what_was_to_be_created_is_refused(registry: Registry, s3_server: S3Server) -> None:
    s3_server.troubles.unconditional = True
    with pytest.raises(StoreError, match="ignores If-None-Match"):
        publish(registry)
    assert registry.models() == []


def test_a_server_that_may_not_be_written_to_is_read(registry: Registry, s3_server: S3Server) -> None:
    publish(registry)
    s3_server.troubles.read_only = True
    for change in (
        lambda: publish(Registry(registry.url)),
        lambda: registry.set_alias("iris", "candidate", 1),
        lambda: registry.refusals("iris", 1).add("golden rows", "here"),
    ):
        with pytest.raises(StoreError, match=r"cannot write .* in the registry 's3://.*Denied"):
            change()
    load(registry.fetch("iris", registry.resolve("iris", "production")))


def test_a_server_that_is_unwell_now_and_then_is_asked_again(registry: Registry, s3_server: S3Server) -> None:
    publish(registry)
    for _ in range(3):
        s3_server.troubles.failures = 2
        assert registry.resolve("iris", "production") == 1
        s3_server.troubles.failures = 2
        load(registry.fetch("iris", 1))


def test_to_follow_an_alias_costs_one_listing(registry: Registry, s3_server: S3Server) -> None:
    publish(registry)
    registry.resolve("iris", "production")
    s3_server.asked.clear()
    registry.resolve("iris", "production")
    assert len(s3_server.asked) == 1


def test_a_file_is_fetched_from_s3_once_for_all_registries_on_this_machine(
    registry: Registry, s3_server: S3Server, tmp_path: Path
) -> None:
    publish(registry)
    (file,) = registry.manifest("iris", 1).files
    s3_server.asked.clear()
    for _ in range(3):
        load(Registry(registry.url, Cache(tmp_path, 1 << 20)).fetch("iris", 1)).check_golden()
    assert s3_server.fetched(file.sha256) == 1


def test_what_is_not_there_is_told_as_such(registry: Registry) -> None:
    assert registry.models() == []
    assert registry._storage.read_part("iris/files/0", 0, 10) == b""
    with pytest.raises(StoreError, match="no-such-bucket"):
        Registry("s3://no-such-bucket/x").publish("iris", LogisticRegression().fit(ROWS, list("abba")), sample=ROWS)
