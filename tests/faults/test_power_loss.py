"""The power goes: what the broker acknowledged is there again where it said so; a control shows that the test bites."""

from pathlib import Path

import pytest
from faults.power_loss import SETTINGS, run
from mounts import need_mounts
from servers import need_program

from predictq_broker import Survives, connect

SURVIVE = [("sqlite", "full"), ("redis", "always")]
DO_NOT = [("sqlite", "normal"), ("redis", "everysec")]


@pytest.fixture(autouse=True)
def a_disk_of_our_own() -> None:
    need_mounts(loop=True)
    need_program("redis-server")


@pytest.mark.parametrize(("engine", "setting"), SURVIVE)
def test_nothing_acknowledged_is_lost_with_the_power(engine: str, setting: str) -> None:
    toll = run(engine, setting, rounds=1, longest=0.5)
    assert toll.accepted > 500
    assert (toll.lost, toll.undone) == (0, 0)


@pytest.mark.parametrize(("engine", "setting"), DO_NOT)
def test_the_same_loses_something_where_no_more_than_a_crash_is_promised_to_be_survived(
    engine: str, setting: str
) -> None:
    # chance decides what the kernel has written back by itself, so one round may lose nothing
    assert any(run(engine, setting, rounds=1, longest=0.5, seed=seed).lost for seed in range(10))


@pytest.mark.parametrize(
    ("engine", "setting", "promised"),
    [(*pair, Survives.POWER_LOSS) for pair in SURVIVE] + [(*pair, Survives.PROCESS_CRASH) for pair in DO_NOT],
)
def test_the_engine_says_of_itself_what_the_power_loss_shows(
    engine: str, setting: str, promised: Survives, tmp_path: Path
) -> None:
    server = SETTINGS[engine, setting](tmp_path, setting)
    server.start()
    try:
        with connect(server.url) as broker:
            assert broker.durability().survives is promised
    finally:
        server.stop()
