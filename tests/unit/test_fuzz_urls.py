"""What people write into settings and URLs: it is what it says, or is refused in words that hide the password."""

import os

import pytest
from fuzzing import effort, soon
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from predictq.settings import Settings
from predictq_broker import BrokerError, connect
from predictq_broker.connect import masked
from predictq_worker.settings import ENV_PREFIX, WorkerSettings

SCHEMES = [
    "sqlite",
    "redis",
    "rediss",
    "unix",
    "memory",
    "amqp",
    "amqps",
    "redis+cluster",
    "redis+sentinel",
    "http",
    "REDIS",
]
rests = st.sampled_from(
    [
        *(
            "",
            "/",
            "//",
            "//[",
            "//]",
            "//[::1]:6379/0",
            "//h:port/0",
            "//h:99999999/0",
            "//h:-1",
            "//h/notanumber",
            "//h/0?x=y",
        ),
        *(
            "//h/0?socket_timeout=soon",
            "//h/0?protocol=9",
            "//h/0?db=x",
            "///x.db?synchronous=maybe",
            "///%00",
            "///\0.db",
        ),
        *(
            "///" + "x" * 5000,
            "//u:p@",
            "//u:p@h:p",
            "//:@h",
            "//é/0",
            "//h/0#f",
            "///:memory:",
            "//%zz",
            "//u:p%40x@h/0",
        ),
    ]
)
urls = st.text(max_size=30) | st.tuples(st.sampled_from(SCHEMES), st.just(":"), rests | st.text(max_size=20)).map(
    "".join
)


@given(urls)
@effort(500, 20_000)
def test_any_url_is_a_broker_or_is_refused_in_words(url: str) -> None:
    with soon():
        try:
            connect(url).close()
        except BrokerError as error:
            assert str(error)  # noqa: PT017  any other exception is the failure


users = st.text(st.characters(exclude_characters="/?#[]@:"), max_size=9)
"""What a user may be called in a URL; the rest is to be percent-encoded."""


@given(st.sampled_from(SCHEMES), users, st.text(max_size=9), rests.map(lambda rest: rest.lstrip("/")))
@effort(500, 10_000)
def test_a_password_is_never_shown(scheme: str, user: str, host: str, rest: str) -> None:
    url = f"{scheme}://{user}:s3cr3t-s3cr3t@{host}{rest}"
    assert "s3cr3t" not in masked(url)
    try:
        connect(url).close()
    except BrokerError as error:
        assert "s3cr3t" not in str(error)  # noqa: PT017  any other exception is the failure


@pytest.mark.parametrize("url", ["sqlite:///x.db", "redis://h:6379/0", "memory://", "x", ""])
def test_a_url_without_a_password_is_shown_as_it_is(url: str) -> None:
    assert masked(url) == url


telling = st.sampled_from(
    ["", "0", "-1", "nan", "inf", "1e999", "9" * 5000, "true", "1_0", "\uff10", "*", "a,b", ":80", "h:99999", "\0"]
)
settings = st.dictionaries(
    st.sampled_from([name.upper() for name in WorkerSettings.model_fields]), telling | st.text(max_size=12)
)


@given(settings)
@effort(500, 20_000)
def test_any_environment_is_settings_or_names_what_is_wrong(found: dict[str, str]) -> None:
    with soon():
        try:
            settings = WorkerSettings.from_env({ENV_PREFIX + name: value for name, value in found.items()})
        except ValidationError as error:
            assert {str(problem["loc"][0]).upper() for problem in error.errors()} <= found.keys()  # noqa: PT017
        else:
            assert settings.lease > 0
            assert settings.lease < float("inf")


@given(st.floats(), st.integers())
@effort(100, 2_000)
def test_any_numbers_are_a_clients_settings_or_are_refused(patience: float, rows: int) -> None:
    try:
        found = Settings(retry_for=patience, max_rows=rows)
    except ValueError as error:
        assert "settings: " in str(error)  # noqa: PT017  any other exception is the failure
    else:
        assert found.max_rows > 0
        assert 0 < found.retry_for < float("inf")


@pytest.fixture(autouse=True)
def _nothing_is_written_here(monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]) -> None:
    monkeypatch.chdir(tmp_path)
