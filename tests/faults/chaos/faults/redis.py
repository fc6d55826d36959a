"""What an operator, or another tenant, can do to a Redis."""

from random import Random
from typing import cast

from faults.chaos.engines.redis import RedisEngine
from faults.chaos.faults import DidNotHappen, Fault, Harm
from faults.chaos.system import System

__all__ = ["FAULTS"]


def client_kill(system: System, _: Random) -> Harm:
    """The server ends every connection."""
    with _engine(system).client() as client:
        killed = sum(int(client.execute_command("CLIENT", "KILL", "TYPE", "normal")) for _ in range(1))
    yield 0.3
    if not killed:
        raise DidNotHappen("no connection was killed")
    return f"CLIENT KILL ended {killed} connections"


def client_pause(system: System, _: Random) -> Harm:
    """The server answers nobody for a while."""
    with _engine(system).client() as client:
        client.client_pause(1500, all=True)
    yield 1.6
    return "CLIENT PAUSE 1500 ALL was accepted"


def full(system: System, _: Random) -> Harm:
    """No memory left: nothing is accepted, and what was is still answered."""
    with _engine(system).client() as client:
        refused = _refused(client.info("errorstats"))
        client.config_set("maxmemory", int(client.info("memory")["used_memory"]) // 2)
        yield 1.5
        client.config_set("maxmemory", 0)
        refused = _refused(client.info("errorstats")) - refused
    if not refused:
        raise DidNotHappen("nothing was refused")
    return f"{refused} commands were refused with OOM"


def _refused(stats: dict[str, dict[str, int]]) -> int:
    return int(stats.get("errorstat_OOM", {}).get("count", 0))


def _engine(system: System) -> RedisEngine:
    return cast("RedisEngine", system.engine)


FAULTS = (
    Fault("CLIENT KILL", client_kill),
    Fault("CLIENT PAUSE", client_pause),
    Fault("no memory left", full),
)
