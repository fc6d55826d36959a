"""A short run of `make chaos` on each engine, and the same run with a safeguard less, which must fail."""

from pathlib import Path

import pytest
from faults.chaos.controls import CONTROLS
from faults.chaos.driver import run
from faults.chaos.faults import catalogue
from faults.chaos.outcome import Plan
from faults.chaos.report import as_text
from faults.chaos.system import Size
from servers import need_program

SMALL = Size(workers=2, runners=2, rate=400.0)
BUSY = Size(workers=2, runners=1, rate=5000.0, kinds={"port": 1.0})
SLOW = {"kill -9 of all workers", "input that never ends", "kill -9 of a nursery"}
UNSAFE = [
    ("sqlite", "no-gate"),
    ("redis", "never-reclaim"),
    ("rabbitmq", "mixed-answers"),
]
"""Each safeguard where it matters most; the other engines by `make chaos CONTROL=…`."""
NEEDS = {"sqlite": (), "redis": ("redis-server",), "rabbitmq": ("rabbitmq-server",)}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("engine", NEEDS)
def test_nothing_is_lost_doubled_or_wrong_whatever_happens(engine: str, tmp_path: Path) -> None:
    for program in NEEDS[engine]:
        need_program(program)
    quick = [fault.name for fault in catalogue(engine) if fault.name not in SLOW]
    plan = Plan(engine, seed=7, requests=4_000, faults=8, pairs=0.4, size=SMALL, only=quick)
    outcome = run(plan, tmp_path, tell=print)
    assert outcome.failures == [], as_text(outcome)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("engine", "control"), UNSAFE)
def test_a_safeguard_less_is_seen(engine: str, control: str, tmp_path: Path) -> None:
    for program in NEEDS[engine]:
        need_program(program)
    plan = Plan(engine, seed=7, requests=0, faults=3, pairs=1.0, control=control, size=BUSY, recovery=2.0, patience=4.0)
    outcome = run(plan, tmp_path, tell=print)
    assert getattr(outcome.audit, CONTROLS[control].shows) > 0, as_text(outcome)
