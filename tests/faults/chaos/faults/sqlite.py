"""What another program can do to a file."""

import sqlite3
import time
from random import Random

from faults.chaos.faults import Fault, Harm
from faults.chaos.system import System

__all__ = ["FAULTS"]


def lock_held(system: System, dice: Random) -> Harm:
    """A foreign process holds the write lock: a backup, or somebody's shell."""
    connection = sqlite3.connect(system.engine.url.removeprefix("sqlite:///"), timeout=20, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        yield dice.uniform(1.5, 3.0)
        held = time.monotonic() - began
        connection.execute("ROLLBACK")
    finally:
        connection.close()
    return f"the write lock was held for {held:.1f} s"


FAULTS = (Fault("the file's lock held by a stranger", lock_held),)
