"""Whatever the port allows, in any order: every engine does what the model does."""

from pathlib import Path

import pytest
from contract.machine import PortMachine
from contract.machine_world import Clock, memory_world, redis_world, sqlite_world
from fuzzing import THOROUGH, effort
from hypothesis.stateful import run_state_machine_as_test
from servers import RedisServer

if THOROUGH:
    pytestmark = pytest.mark.timeout(0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    clock.rule(monkeypatch)
    return clock


def test_sqlite_does_what_the_model_does(clock: Clock, tmp_path: Path) -> None:
    machine = effort(60, 4000, stateful_step_count=40)
    run_state_machine_as_test(lambda: PortMachine(sqlite_world(clock, tmp_path)), settings=machine)


def test_redis_does_what_the_model_does(clock: Clock, redis_server: RedisServer) -> None:
    machine = effort(60, 4000, stateful_step_count=40)
    run_state_machine_as_test(lambda: PortMachine(redis_world(clock, redis_server.url)), settings=machine)


def test_memory_does_what_the_model_does(clock: Clock) -> None:
    machine = effort(15, 1000, stateful_step_count=40)  # as on Redis, in Python and so slower
    run_state_machine_as_test(lambda: PortMachine(memory_world(clock)), settings=machine)
