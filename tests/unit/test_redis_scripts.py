"""The text of the scripts."""

import pytest

from predictq_broker.redis.scripts import Scripts, source


def test_a_script_brings_along_only_what_it_needs_of_the_library() -> None:
    renew = source("renew")
    assert "local function owns(" in renew
    assert "local function publish" not in renew


def test_what_is_needed_by_what_a_script_needs_comes_before_it() -> None:
    settle = source("settle")
    order = [settle.index(f"local function {name}(") for name in ("bundled", "expire", "publish_bundle", "publish")]
    assert order == sorted(order)


@pytest.mark.parametrize("name", Scripts._fields)
def test_a_scripts_flags_are_its_first_line(name: str) -> None:
    assert source(name).startswith("#!lua")
