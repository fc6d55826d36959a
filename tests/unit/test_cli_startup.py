"""What the command needs before it does anything: little, and it says what is missing."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text
from typer.main import get_command
from workers import python_env

import predictq_registry
from predictq_cli.__main__ import run
from predictq_cli.app import build_app
from predictq_cli.options import DEFAULT_REGISTRY

ENGINES = ("redis", "sqlite3", "predictq")
HEAVY = ("numpy", "pandas", "sklearn", "joblib", "fsspec", "pyarrow", "prometheus_client")

COMMANDS = [
    "demo",
    "publish",
    "models",
    "models list",
    "models show",
    "models alias",
    "models rollback",
    "worker",
    "predict",
    "listen",
    "queues",
    "dead list",
    "dead show",
    "dead replay",
    "dead purge",
    "doctor",
]


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    with tempfile.TemporaryDirectory() as folder:  # where the default broker's file and registry would be
        return subprocess.run(
            command, env=python_env(), cwd=folder, capture_output=True, text=True, timeout=60, check=False
        )


def command(*arguments: str, without: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run the command in a process in which some packages are not installed."""
    hidden = "".join(f"sys.modules[{name!r}] = None; " for name in without)
    return python(f"import sys; {hidden}from predictq_cli.__main__ import main; main()", *arguments)


def test_help_brings_nothing_heavy() -> None:
    code = (
        "import sys; from predictq_cli.__main__ import run; run(['--help']); "
        f"print([name for name in {(*HEAVY, *ENGINES)!r} if name in sys.modules], file=sys.stderr)"
    )
    assert python(code).stderr == "[]\n"


def test_help_tells_the_exit_codes() -> None:
    told = " ".join(command("--help").stdout.split())
    assert (
        "0 done; 1 what was asked for failed; 2 wrong usage; 3 broker or registry unreachable; 4 a prediction" in told
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_shows_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*name.split(), "--help"]) == 0
    assert f"predictq {name}" in capsys.readouterr().out.partition("Example")[2]


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_without_its_packages_the_command_says_what_to_install(package: str) -> None:
    told = command("queues", without=(package,))
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == "predictq: the command needs typer and rich: pip install 'predictq[cli]'\n"


def test_a_light_install_can_look_at_queues_and_say_what_the_rest_needs(tmp_path: Path) -> None:
    broker = ("--broker", f"sqlite:///{tmp_path}/b.db")
    assert command("queues", *broker, without=HEAVY).returncode == 0
    assert command("listen", "nightly", "--idle", "0", *broker, without=HEAVY).returncode == 0
    told = command("models", without=HEAVY)
    assert (told.returncode, told.stderr) == (
        1,
        "predictq: this needs the package 'fsspec': pip install 'predictq[worker]'\n",
    )


def test_the_registry_is_looked_for_where_the_library_looks() -> None:
    assert predictq_registry.DEFAULT_URL == DEFAULT_REGISTRY


def helps(command: Any) -> Iterator[str]:
    """What is said of each option and argument, of a command and of those below it."""
    yield from (said for parameter in command.params if (said := getattr(parameter, "help", None)))
    for below in getattr(command, "commands", {}).values():
        yield from helps(below)


def test_help_says_nothing_in_brackets_that_would_be_taken_for_markup_and_left_out() -> None:
    said = list(helps(get_command(build_app())))
    assert len(said) > 50
    assert [text for text in said if Text.from_markup(text).plain != text] == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("nosuch",), "No such command 'nosuch'; see: predictq --help"),
        (("predict", "iris"), "see: predictq predict --help"),
        (("worker", "--runners", "many"), "--runners"),
        (("dead", "replay", "iris"), "name the dead letters by their tags, or say --all"),
        (("publish", "iris", "nowhere.joblib"), "there is no file 'nowhere.joblib'"),
        (("predict", "iris", "[[1]]", "-o", "out.xml"), "the name must end in .csv, .json, .jsonl, .ndjson"),
        (("queues", "--broker", "carrier-pigeon://x"), "no broker engine for 'carrier-pigeon'"),
        (("worker", "--runners", "0"), "--runners or PREDICTQ_RUNNERS"),
        (("worker", "--model", "iris,wine"), "(--model or PREDICTQ_MODELS)"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(arguments: tuple[str, ...], complaint: str) -> None:
    told = command(*arguments)
    assert told.returncode == 2
    assert told.stdout == ""
    assert complaint in told.stderr
    assert told.stderr.startswith("predictq: ")
    assert told.stderr.count("\n") == 1
