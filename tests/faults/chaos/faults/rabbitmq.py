"""What an operator, or a full machine, does to a RabbitMQ."""

from random import Random
from typing import cast

from faults.chaos.engines.rabbitmq import RabbitEngine
from faults.chaos.faults import DidNotHappen, Fault, Harm
from faults.chaos.system import System

__all__ = ["FAULTS"]


def restart_app(system: System, _: Random) -> Harm:
    """The broker stops within its machine, and starts again."""
    server = _engine(system).server
    server.ctl("stop_app")
    yield 0.5
    server.ctl("start_app")
    return "rabbitmqctl stop_app and start_app were done"


def close_connections(system: System, _: Random) -> Harm:
    """The server ends every connection."""
    server = _engine(system).server
    count = len(server.ctl("list_connections", "pid").split("\n"))
    server.ctl("close_all_connections", "chaos")
    yield 0.3
    return f"about {count} connections were closed by the server"


def alarm(system: System, _: Random) -> Harm:
    """Too little memory, it says: whoever publishes is blocked, results included."""
    server = _engine(system).server
    server.ctl("set_vm_memory_high_watermark", "0.00001")
    yield 1.5
    alarms = server.ctl("eval", "rabbit_alarm:get_alarms().")
    server.ctl("set_vm_memory_high_watermark", "0.4")
    if "memory" not in alarms:
        raise DidNotHappen(f"the alarms were {alarms}")
    return f"alarms: {' '.join(alarms.split())}"


def _engine(system: System) -> RabbitEngine:
    return cast("RabbitEngine", system.engine)


FAULTS = (
    Fault("stop_app, start_app", restart_app),
    Fault("close_all_connections", close_connections),
    Fault("memory alarm", alarm),
)
