"""Requests that harm, and messages that are none."""

import os
from pathlib import Path
from random import Random

from faults.chaos.faults import DidNotHappen, Fault, Harm
from faults.chaos.system import System
from workers import eventually

__all__ = ["FAULTS"]

_GROUP = Path("/sys/fs/cgroup/memory")
_MARGIN = 300 << 20


def poison(system: System, _: Random) -> Harm:
    """It kills three runners and is set aside, alone."""
    yield from _harmful(system, "poison")
    return "set aside after it killed runners; the workers' logs tell of them"


def long(system: System, _: Random) -> Harm:
    """It never ends: three runners are killed at their time limit."""
    yield from _harmful(system, "long")
    return "set aside after three time limits; the workers' logs tell of them"


def _harmful(system: System, what: str) -> Harm:
    deaths = _deaths(system)
    id_ = system.hand.ask(what)
    yield 0.0
    eventually(lambda: _code(system, id_), f"{what} is answered", 40)
    if _code(system, id_) != "dead_lettered":
        raise DidNotHappen(f"{what} was answered {_code(system, id_)}")
    if _deaths(system) <= deaths:
        raise DidNotHappen("no runner died of it")
    return ""


def hungry(system: System, dice: Random) -> Harm:
    """It takes memory until the kernel ends its runner, as in a container with a limit."""
    worker = system.pick(dice)
    group = _GROUP / f"predictq-chaos-{os.getpid()}"
    group.mkdir(exist_ok=True)
    try:
        for each in (worker, *system.workers):
            for pid in [*([found] if (found := each.nursery()) else []), *each.runners()]:
                (group / "cgroup.procs").write_text(str(pid))
        limit = int((group / "memory.usage_in_bytes").read_text()) + _MARGIN
        (group / "memory.limit_in_bytes").write_text(str(limit))
        killed = _killed(group)
        id_ = system.hand.ask("hungry")
        yield 0.0
        eventually(lambda: _code(system, id_), "the hungry one is answered", 60)
        ended = _killed(group) - killed
        by = f"the kernel killed {ended} runners at {limit >> 20} MiB" if ended else "its own limit of 1 GiB stopped it"
        return f"{by}; answered {_code(system, id_)}"
    finally:
        (group / "memory.limit_in_bytes").write_text("-1")
        for pid in (group / "cgroup.procs").read_text().split():
            _leave(pid)
        eventually(lambda: _removed(group), "the group is empty and gone")


def _leave(pid: str) -> None:
    try:
        (_GROUP / "cgroup.procs").write_text(pid)
    except OSError:
        return  # it ended meanwhile


def _removed(group: Path) -> bool:
    try:
        group.rmdir()
    except OSError:
        return False  # one that was killed is not reaped yet
    return True


def _killed(group: Path) -> int:
    return int((group / "memory.oom_control").read_text().split()[-1])


def _no_group(_: System) -> str:
    writable = os.access(_GROUP / "cgroup.procs", os.W_OK)
    return "" if writable else "needs root and a memory cgroup (v1), to limit runners' memory"


def malformed(system: System, _: Random) -> Harm:
    """A foreign writer: one message that can be answered, and two that cannot."""
    dead = system.hand.stats().dead
    id_ = system.hand.write_malformed()
    system.hand.write_anonymous({"reply_to": "", "body": "[[1]]"})
    system.hand.write_anonymous({"id": "{brace}", "reply_to": "no such\nplace", "body": "[["})
    yield 0.0
    eventually(lambda: _code(system, id_), "the malformed one is answered")
    eventually(lambda: system.hand.stats().dead >= dead + 2, "the others are set aside")
    return f"answered {_code(system, id_)}; two dead letters more"


def _code(system: System, id_: str) -> str:
    return system.books.entries[id_].code if id_ in system.books.entries else ""


def _deaths(system: System) -> int:
    return sum(worker.count("a runner died") for worker in (*system.workers, *system.former))


FAULTS = (
    Fault("poison input (segfault)", poison, waits=True),
    Fault("input that never ends", long, waits=True),
    Fault("input that eats memory", hungry, _no_group, waits=True),
    Fault("malformed messages", malformed, waits=True),
)
