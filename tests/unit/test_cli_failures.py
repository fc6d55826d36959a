"""What the user is told when something goes wrong, and the exit code beside it."""

import pytest

import predictq
import predictq_broker
import predictq_registry
from predictq_cli.exits import Exit, Stop
from predictq_cli.failures import explain
from predictq_cli.output import bytes_of, plain, table


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Stop(Exit.FAILED, "no"), Exit.FAILED),
        (predictq_broker.BrokerUnavailable("away"), Exit.UNREACHABLE),
        (predictq_broker.BrokerRefused("login"), Exit.UNREACHABLE),
        (predictq_broker.BrokerFull("full"), Exit.FAILED),
        (predictq_broker.UnsupportedBroker("what"), Exit.USAGE),
        (predictq_broker.InvalidName("name"), Exit.USAGE),
        (predictq.Unavailable("away"), Exit.UNREACHABLE),
        (predictq.QueueFull("full"), Exit.FAILED),
        (predictq.InvalidInput("wrong"), Exit.USAGE),
        (predictq.InvalidInput("wrong", request_id="1"), Exit.PREDICTION),
        (predictq.ModelError("failed", request_id="1"), Exit.PREDICTION),
        (predictq_registry.StoreError("away"), Exit.UNREACHABLE),
        (predictq_registry.UnknownModel("none"), Exit.FAILED),
        (predictq_registry.InvalidRelease("altered"), Exit.FAILED),
        (predictq_registry.InvalidName("name"), Exit.USAGE),
        (PermissionError(13, "Permission denied", "/x"), Exit.FAILED),
        (ModuleNotFoundError("no", name="sklearn.svm"), Exit.FAILED),
    ],
)
def test_every_foreseeable_error_has_its_exit_code(error: Exception, code: Exit) -> None:
    failure = explain(error)
    assert failure is not None
    assert failure.code is code
    assert failure.sentence


def test_a_missing_package_is_told_with_the_extra_that_brings_it() -> None:
    failure = explain(ModuleNotFoundError("no", name="sklearn.svm"))
    assert failure is not None
    assert "pip install 'predictq[worker]'" in failure.sentence
    failure = explain(ModuleNotFoundError("no", name="mlflow"))
    assert failure is not None
    assert "pip install 'predictq[mlflow]'" in failure.sentence


def test_an_error_nobody_foresaw_keeps_its_traceback() -> None:
    assert explain(KeyError("x")) is None
    assert explain(ModuleNotFoundError("no", name="predictq_cli.nothing")) is None


def test_nothing_printed_can_move_a_cursor_or_forge_a_line() -> None:
    assert plain("a\x1b[2Jb\nc") == "a\\x1b[2Jb\\nc"
    assert "\x1b" not in table(("[red]name",), [("\x1b[31m[bold]x",)])
    assert "[bold]x" in table(("name",), [("[bold]x",)])


def test_sizes_are_told_in_the_unit_that_suits_them() -> None:
    assert [bytes_of(count) for count in (12, 4_100, 12_000_000, 3e9)] == ["12 B", "4.1 kB", "12.0 MB", "3.0 GB"]
