"""A server that is killed, or stands still."""

import os
import signal
from pathlib import Path
from random import Random

from faults.chaos.faults import DidNotHappen, Fault, Harm
from faults.chaos.system import System

__all__ = ["FAULTS"]


def kill_broker(system: System, _: Random) -> Harm:
    """It comes back with what it had accepted."""
    before = system.engine.pid
    system.engine.kill()
    yield 0.5
    if Path(f"/proc/{before}").exists():
        raise DidNotHappen(f"pid {before} still runs")
    system.engine.start()
    return f"pid {before} gone, pid {system.engine.pid} in its place"


def freeze_broker(system: System, dice: Random) -> Harm:
    """It answers nobody for longer than a lease, and then all at once."""
    pid = system.engine.pid
    os.kill(pid, signal.SIGSTOP)
    yield dice.uniform(1.5, 3.0)
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    os.kill(pid, signal.SIGCONT)
    if state != "T":
        raise DidNotHappen(f"pid {pid} was in state {state}")
    return f"pid {pid} was stopped"


FAULTS = (Fault("kill -9 of the broker", kill_broker), Fault("broker frozen", freeze_broker))
