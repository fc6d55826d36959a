"""The guards of a canary: what the command assumes, what the registry assumes, and what the page says."""

import inspect
import re
from pathlib import Path

from predictq_cli.rollout import canary
from predictq_registry import Guards

PAGE = Path(__file__).parents[2] / "docs" / "releases.md"
ASSUMED = {name: value for name, value in Guards().model_dump().items() if name != "alpha"}


def test_the_command_assumes_what_the_registry_assumes() -> None:
    options = inspect.signature(canary).parameters
    assert {name: options[name].default for name in ASSUMED} == ASSUMED


def test_the_page_says_what_is_assumed() -> None:
    told = dict(re.findall(r"^\| `--(\w+)` \|.*\| (\S+) \|$", PAGE.read_text(), re.MULTILINE))
    assert told == {name: "off" if value is None else f"{value:g}" for name, value in ASSUMED.items()}
