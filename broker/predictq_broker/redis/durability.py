"""What a Redis server survives, as it says itself."""

from redis import Redis
from redis import exceptions as server

from predictq_broker.capabilities import Durability, Survives
from predictq_broker.redis.connection import translated

__all__ = ["ask"]


def ask(redis: Redis) -> Durability:
    """Read persistence and eviction from the server's configuration; a server that hides it survives nothing."""
    with translated("ask for the server's configuration"):
        try:
            said = redis.config_get("appendonly", "appendfsync", "maxmemory", "maxmemory-policy")
        except server.ResponseError as error:
            return Durability(Survives.NOTHING, f"the server does not tell its configuration ({error})")
    return _judge({_text(name): _text(value) for name, value in said.items()})


def _judge(said: dict[str, str]) -> Durability:
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
        case fsync:
            return Durability(Survives.PROCESS_CRASH, f"appendonly is on with appendfsync {fsync}")


def _text(value: bytes | str | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""
