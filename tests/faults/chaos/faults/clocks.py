"""Wall clocks that jump."""

import time
import urllib.request
from email.utils import parsedate_to_datetime
from random import Random

from faults.chaos.actors import Worker
from faults.chaos.faults import DidNotHappen, Fault, Harm
from faults.chaos.system import System

__all__ = ["FAULTS"]

_DAY = 86400.0


def worker_clock(system: System, dice: Random) -> Harm:
    """A day ahead or behind, on one worker; where the broker is a file, that is its clock too, so only seconds."""
    worker = system.pick(dice)
    by = dice.choice((-1, 1)) * (20.0 if system.engine.name == "sqlite" else _DAY)
    worker.clock.jump(by)
    yield 2 * system.engine.lease
    seen = _clock_of(worker)
    worker.clock.jump(0.0)
    if abs(seen - by) > 10:
        raise DidNotHappen(f"its clock moved by {seen:.1f} s, not by {by:g}")
    return f"pid {worker.pid} was {seen:+.0f} s off"


def _clock_of(worker: Worker) -> float:
    """How far its clock is from ours: its pages are dated."""
    with urllib.request.urlopen(worker.url + "/livez", timeout=10) as page:
        return parsedate_to_datetime(page.headers["Date"]).timestamp() - time.time()


def broker_clock(system: System, dice: Random) -> Harm:
    """Half a minute ahead or behind, many leases: within what inboxes and ids live."""
    clock = system.engine.clock
    assert clock is not None
    by = dice.choice((-30.0, 30.0))
    before = _server_time(system)
    clock.jump(by)
    yield 2 * system.engine.lease
    seen = _server_time(system) - before
    clock.jump(0.0)
    if abs(seen - by) > 10:
        raise DidNotHappen(f"the server's clock moved by {seen:.1f} s, not by {by:g}")
    return f"the server's TIME moved by {seen:+.1f} s"


def _server_time(system: System) -> float:
    seconds, _ = system.engine.client().time()  # type: ignore[attr-defined]  # asked only where there is one
    return float(seconds) - time.time()


def _no_shim(system: System) -> str:
    return "" if system.shim else "needs a C compiler, to make the library that shifts clocks"


def _no_clock(system: System) -> str:
    return _no_shim(system) or ("" if system.engine.clock else "the broker's clock is the machine's own")


FAULTS = (
    Fault("a worker's clock jumps", worker_clock, _no_shim),
    Fault("the broker's clock jumps", broker_clock, _no_clock),
)
