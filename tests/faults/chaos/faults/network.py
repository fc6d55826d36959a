"""What networks do, by the proxy between the broker and everybody else."""

from random import Random

from faults.chaos.faults import DidNotHappen, Fault, Harm
from faults.chaos.proxy import Proxy, Toxics
from faults.chaos.system import System

__all__ = ["FAULTS"]


def reset_peer(system: System, _: Random) -> Harm:
    """Every connection ends with a reset, twice."""
    proxy = _proxy(system)
    first = proxy.reset_peer()
    yield 0.3
    return _proof(first + proxy.reset_peer(), "connections were reset")


def outage(system: System, _: Random) -> Harm:
    """Connections end, and for a while none can be made."""
    proxy = _proxy(system)
    before = proxy.harmed
    proxy.become(Toxics(refused=True))
    proxy.reset_peer()
    yield 1.5
    proxy.become(Toxics())
    return _proof(proxy.harmed - before, "connections were reset or refused")


def half_open(system: System, dice: Random) -> Harm:
    """Nothing comes through and nobody is told; then every connection turns out to be dead."""
    proxy = _proxy(system)
    before = proxy.harmed
    proxy.become(Toxics(timeout=True))
    yield dice.uniform(1.5, 3.0)
    held = proxy.harmed - before
    proxy.reset_peer()
    proxy.become(Toxics())
    return _proof(held, "chunks were held back and then lost with their connections")


def stall(system: System, dice: Random) -> Harm:
    """As before, but all that was held back comes through in the end."""
    proxy = _proxy(system)
    before = proxy.harmed
    proxy.become(Toxics(timeout=True))
    yield dice.uniform(1.0, 2.5)
    proxy.become(Toxics())
    return _proof(proxy.harmed - before, "chunks were held back")


def latency(system: System, dice: Random) -> Harm:
    """Each way takes longer."""
    proxy = _proxy(system)
    before = proxy.harmed
    proxy.become(Toxics(latency=dice.uniform(0.05, 0.2)))
    yield 1.5
    proxy.become(Toxics())
    return _proof(proxy.harmed - before, "chunks came late")


def cut_mid_answer(system: System, dice: Random) -> Harm:
    """Connections are cut after so many bytes from the server: the command was done, the answer is half."""
    proxy = _proxy(system)
    before = proxy.harmed
    proxy.become(Toxics(limit_data=dice.randrange(1, 3000)))
    yield 1.0
    proxy.become(Toxics())
    return _proof(proxy.harmed - before, "connections were cut within an answer")


def _proxy(system: System) -> Proxy:
    assert system.engine.proxy is not None
    return system.engine.proxy


def _proof(count: int, what: str) -> str:
    if not count:
        raise DidNotHappen(f"no {what}")
    return f"{count} {what}"


FAULTS = (
    Fault("connections reset", reset_peer),
    Fault("network gone", outage),
    Fault("half-open connections", half_open),
    Fault("network stalls", stall),
    Fault("latency", latency),
    Fault("connections cut within an answer", cut_mid_answer),
)
