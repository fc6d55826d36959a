"""What a Redis server survives, as it says itself."""

from collections.abc import Mapping
from typing import Any

from redis import Redis
from redis import exceptions as server

from predictq_broker.capabilities import Durability, Survives
from predictq_broker.redis.connection import command
from predictq_broker.redis.server import Server

__all__ = ["ask"]

_SETTINGS = ("appendonly", "appendfsync", "maxmemory", "maxmemory-policy")


def ask(where: Server) -> Durability:
    """Read persistence, eviction and replicas from every primary; the weakest speaks for all."""
    with where.trying("ask for the server's configuration"):
        return min((_of(redis, where.wait_replicas) for redis in where.primaries()), key=lambda said: said.survives)


def _of(redis: Redis, wait_replicas: int) -> Durability:
    try:
        settings = _settings(redis)
    except server.ResponseError as error:
        return Durability(Survives.NOTHING, f"the server does not tell its configuration ({error})")
    alone = _judge(settings)
    if not wait_replicas or alone.survives < Survives.POWER_LOSS:
        return alone
    connected = _replicas(redis)
    if connected < wait_replicas:
        because = f"; wait_replicas is {wait_replicas}, and the server shows {connected} connected replicas"
        return alone._replace(because=alone.because + because)
    return Durability(Survives.NODE_LOSS, f"{alone.because}, and {wait_replicas} of {connected} replicas confirm")


def _settings(redis: Redis) -> dict[str, str]:
    """As CONFIG GET says it; a server that hides this from us may show some of it by INFO."""
    try:
        said: Mapping[Any, Any] = redis.config_get(*_SETTINGS)
    except server.ResponseError:
        told = command(redis, "INFO", "persistence", "memory")
        return {
            "appendonly": "yes" if told["aof_enabled"] else "no",
            "maxmemory": str(told.get("maxmemory", 0)),
            "maxmemory-policy": str(told.get("maxmemory_policy", "noeviction")),
        }
    return {_text(name): _text(value) for name, value in said.items()}


def _replicas(redis: Redis) -> int:
    """How many replicas have all but the last moment; none if the server hides it."""
    try:
        told = command(redis, "INFO", "replication")
    except server.ResponseError:
        return 0
    return sum(isinstance(said, dict) and said.get("state") == "online" for said in told.values())


def _judge(said: Mapping[str, str]) -> Durability:
    policy = said.get("maxmemory-policy", "noeviction")
    if policy != "noeviction" and said.get("maxmemory", "0") != "0":
        return Durability(Survives.NOTHING, f"maxmemory-policy is {policy}: requests may be evicted; set noeviction")
    if said.get("appendonly") != "yes":
        return Durability(Survives.NOTHING, "appendonly is off: a restart of the server forgets every request")
    match said.get("appendfsync"):
        case "always":
            return Durability(Survives.POWER_LOSS, "appendonly is on with appendfsync always")
        case "everysec":
            return Durability(
                Survives.PROCESS_CRASH, "appendonly is on with appendfsync everysec: power loss may take a second"
            )
        case None:
            return Durability(
                Survives.PROCESS_CRASH, "appendonly is on; this user may not read appendfsync (CONFIG GET)"
            )
        case fsync:
            return Durability(Survives.PROCESS_CRASH, f"appendonly is on with appendfsync {fsync}")


def _text(value: bytes | str | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""
