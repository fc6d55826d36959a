"""Processes that are killed, frozen, or asked to leave."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from faults.chaos.faults import DidNotHappen, Fault, Harm
from faults.chaos.system import System
from freezing import freeze
from workers import eventually

__all__ = ["FAULTS"]


def kill_worker(system: System, dice: Random) -> Harm:
    """Its runners die with it; what it held comes back when its lease is over."""
    victim = system.pick(dice)
    victim.kill()
    yield 0.2
    new = system.replace(victim)
    return f"pid {victim.pid} ended by signal {-(victim.code() or 0)}, pid {new.pid} in its place"


def kill_all_workers(system: System, _: Random) -> Harm:
    """Nobody is left to take over: the new ones must."""
    victims = list(system.workers)
    for victim in victims:
        victim.kill()
    yield 0.2
    for victim in victims:
        system.replace(victim)
    return f"pids {[victim.pid for victim in victims]} ended by {[victim.code() for victim in victims]}"


def kill_runner(system: System, dice: Random) -> Harm:
    """The worker sees it at once and forks another one."""
    worker = system.pick(dice)
    deaths = worker.count("a runner died")
    victim = dice.choice(worker.runners())
    os.kill(victim, signal.SIGKILL)
    yield 0.2
    eventually(lambda: _state(victim) in "ZX", "the runner is dead")
    _rest_until(lambda: worker.count("a runner died") > deaths, 2.0)  # one of a release that drains is not mourned
    told = ", its worker's log says so" * (worker.count("a runner died") > deaths)
    return f"runner {victim} gone{told}"


def kill_nursery(system: System, dice: Random) -> Harm:
    """Its runners go on; the next one needs a new nursery."""
    worker = system.pick(dice)
    victim = worker.nursery()
    if victim is None:
        raise DidNotHappen("no nursery was found")
    runner = dice.choice(worker.runners())  # by now: without a nursery they are nobody's children
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: _state(victim) in "ZX", "the nursery is dead")
    os.kill(runner, signal.SIGKILL)  # so that a new nursery is needed
    yield 0.5
    eventually(lambda: worker.nursery() not in {victim, None} or worker.code() is not None, "a new nursery", 30)
    return f"nursery {victim} ended, {worker.nursery()} in its place"


def freeze_worker(system: System, dice: Random) -> Harm:
    """It wakes up past its lease, and owns nothing."""
    victim = system.pick(dice)
    lost = victim.count("the lease ran out; others have our requests")
    freeze(victim.pid)
    yield 2.5 * system.engine.lease
    stopped = _state(victim.pid)
    victim.signal(signal.SIGCONT)
    if stopped != "T":
        raise DidNotHappen(f"pid {victim.pid} was in state {stopped}")
    told = " and it saw that its lease had run out" * (
        victim.count("the lease ran out; others have our requests") > lost
    )
    return f"pid {victim.pid} was stopped{told}"


def stop_worker(system: System, dice: Random) -> Harm:
    """SIGTERM: it finishes what runs and gives back the rest."""
    victim = system.pick(dice)
    victim.signal(signal.SIGTERM)
    yield 0.2
    code = victim.wait()  # a second SIGTERM would meet an interpreter that no longer minds them
    system.replace(victim)
    if code:
        raise DidNotHappen(f"pid {victim.pid} ended with {code} on SIGTERM")
    return f"pid {victim.pid} ended in order"


def kill_producer(system: System, dice: Random) -> Harm:
    """Begun anew; who waits at a durable queue misses nothing."""
    victim = dice.choice(system.askers)
    pid, code = victim.pid, victim.kill()
    system.forsake(victim)
    yield 0.2
    victim.start()
    return f"{victim.name}: pid {pid} ended by {code}, {victim.pid} in its place"


def kill_subscriber(system: System, dice: Random) -> Harm:
    """What it had and did not acknowledge goes to another one."""
    victim = dice.choice(system.readers)
    pid, code = victim.pid, victim.kill()
    yield 0.2
    victim.start()
    return f"{victim.name}: pid {pid} ended by {code}, {victim.pid} in its place"


def _rest_until(condition: Callable[[], bool], most: float) -> None:
    end = time.monotonic() + most
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)


def _state(pid: int) -> str:
    """One letter, as ps shows it; X if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


FAULTS = (
    Fault("kill -9 of a worker", kill_worker),
    Fault("kill -9 of all workers", kill_all_workers),
    Fault("kill -9 of a runner", kill_runner, waits=True),
    Fault("kill -9 of a nursery", kill_nursery, waits=True),
    Fault("worker frozen past its lease", freeze_worker),
    Fault("SIGTERM to a worker", stop_worker, waits=True),
    Fault("kill -9 of a producer", kill_producer),
    Fault("kill -9 of a subscriber", kill_subscriber),
)
