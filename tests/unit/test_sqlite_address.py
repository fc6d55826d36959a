"""Reading a `sqlite://` URL."""

from pathlib import Path

import pytest

from predictq_broker.errors import UnsupportedBroker
from predictq_broker.sqlite.address import read_address


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///predictq.db", Path.cwd() / "predictq.db"),
        ("sqlite:///var/predictq.db", Path.cwd() / "var/predictq.db"),
        ("sqlite:////var/lib/predictq.db", Path("/var/lib/predictq.db")),
        ("sqlite:////tmp/a%20b%3F.db", Path("/tmp/a b?.db")),  # noqa: S108  only a name, nothing is written
    ],
)
def test_three_slashes_are_relative_and_four_absolute(url: str, path: Path) -> None:
    assert read_address(url).path == path


def test_it_writes_fully_unless_told_otherwise() -> None:
    assert read_address("sqlite:///a.db").synchronous == "full"
    assert read_address("sqlite:///a.db?synchronous=NORMAL").synchronous == "normal"
    assert read_address("sqlite:///a.db?synchronous=full").synchronous == "full"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://host/a.db"])
def test_a_url_without_a_file_is_refused_with_a_way_out(url: str) -> None:
    with pytest.raises(UnsupportedBroker, match="names no file"):
        read_address(url)


@pytest.mark.parametrize("option", ["synchronous=off", "synchronous=", "timeout=3"])
def test_an_option_that_is_not_known_is_refused(option: str) -> None:
    with pytest.raises(UnsupportedBroker, match="is not known"):
        read_address(f"sqlite:///a.db?{option}")
