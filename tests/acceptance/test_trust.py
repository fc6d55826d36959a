"""Whom a worker trusts, as its requesters see it: real processes, real keys, releases put where they should not be."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from models import Iris
from workers import WorkerProcess, eventually

from predictq import Client
from predictq.errors import ModelUnavailable
from predictq_registry import Registry, SigningKey


@contextmanager
def worker(folder: Path, **settings: object) -> Iterator[WorkerProcess]:
    started = WorkerProcess(f"sqlite:///{folder}/q.db", str(folder / "models"), **settings)  # type: ignore[arg-type]  # settings are any
    try:
        yield started
    finally:
        started.close()


def publish(folder: Path, trained: Iris, key: SigningKey | None, **about: object) -> int:
    registry = Registry(str(folder / "models"))
    return registry.publish("iris", trained.good, sample=trained.rows, signer=key, alias="production", **about).version  # type: ignore[arg-type]


@pytest.mark.parametrize("whose", ["nobody", "foreign"])
def test_what_nobody_trusted_signed_is_answered_as_unavailable_and_says_why(
    whose: str, trained: Iris, tmp_path: Path
) -> None:
    key = SigningKey.ensure(tmp_path / "foreign.key") if whose == "foreign" else None
    publish(tmp_path, trained, key)
    for settings in ({}, {"trust": SigningKey.ensure(tmp_path / "ours.key").public}):
        with (
            worker(tmp_path, **settings),
            Client(f"sqlite:///{tmp_path}/q.db") as client,
            pytest.raises(ModelUnavailable, match="is not signed" if key is None else "whom nobody here trusts"),
        ):
            client.predict("iris", [[5.1, 3.5, 1.4, 0.2]], timeout=60)


def test_an_unsigned_release_put_under_a_live_alias_gets_no_request(trained: Iris, tmp_path: Path) -> None:
    ours = SigningKey.ensure(tmp_path / "ours.key")
    publish(tmp_path, trained, ours)
    with (
        worker(tmp_path, models="iris", trust=ours.public) as running,
        Client(f"sqlite:///{tmp_path}/q.db") as client,
    ):
        running.wait_ready()
        publish(tmp_path, trained, None)
        refused = eventually(
            lambda: running.saw("release does not serve; what served before goes on"), "the worker looks at it"
        )
        assert "is not signed" in refused["why"]
        assert client.predict("iris", [[5.1, 3.5, 1.4, 0.2]], timeout=60).version == 1


def test_a_worker_that_started_before_its_user_had_a_key_trusts_it_once_it_is_made(
    trained: Iris, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with worker(tmp_path, http="127.0.0.1:0") as running, Client(f"sqlite:///{tmp_path}/q.db") as client:
        eventually(lambda: running.saw("releases that run code must be signed"), "it has started")
        Registry(str(tmp_path / "models")).publish("iris", trained.good, sample=trained.rows, alias="production")
        assert client.predict("iris", [[5.1, 3.5, 1.4, 0.2]], timeout=60).version == 1


def test_unsigned_code_runs_where_that_is_allowed_and_the_worker_says_so(trained: Iris, tmp_path: Path) -> None:
    publish(tmp_path, trained, None)
    with worker(tmp_path, models="iris", allow_unsigned=1) as running:
        running.wait_ready()
        assert running.saw("unsigned releases may run their code")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"trust": "no/such.pub"}, "cannot be read"),
        ({"trust": "ed25519:AAAA"}, "is no public key"),
        ({"trust": f"ed25519:{'A' * 43}", "allow_unsigned": 1}, "with trusted keys nothing unsigned is loaded"),
    ],
)
def test_a_worker_with_trust_that_cannot_be_meant_does_not_start(
    settings: dict[str, object], sentence: str, tmp_path: Path
) -> None:
    with worker(tmp_path, **settings) as running:
        assert running._process.wait(60) != 0
        running._reader.join(10)
    assert sentence in str(running.events[-1])
    assert "Traceback" not in str(running.events)
