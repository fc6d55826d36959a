"""What the doctor asks the broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from predictq_broker import BrokerError, BrokerUnavailable, InvalidName, Survives, UnsupportedBroker, connect, masked
from predictq_cli.doctor.finding import Finding, fine, remarkable, wrong
from predictq_cli.known_models import known_models

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from predictq_broker import Broker, Durability

__all__ = ["look_at_broker"]

_PART: Final = "broker"
_REDIS_NEEDED: Final = (7, 0)
_SQLITE_NEEDED: Final = (3, 35)
_OLD: Final = 60.0
"""Seconds after which a request that still waits deserves a note."""


def look_at_broker(url: str, registry: str) -> Iterator[Finding]:
    """Can it be reached, is it new enough, what does it survive, and does anything wait in vain?"""
    try:
        with connect(url) as broker:
            durability = broker.durability()  # whatever the engine, this asks the server
            yield fine(_PART, f"{masked(url)} answers")
            yield from _look_at_engine(broker, url)
            yield _durable(durability)
            for model in _models(broker, registry):
                yield from _look_at_queue(broker, model)
    except (UnsupportedBroker, InvalidName) as error:
        yield wrong(_PART, str(error), "give another --broker or PREDICTQ_BROKER_URL")
    except BrokerUnavailable as error:
        yield wrong(_PART, f"{masked(url)} cannot be reached: {error}", _way_to(url))
    except BrokerError as error:
        yield wrong(_PART, f"{masked(url)} said no: {error}", "see the sentence; its answer will not change by itself")


def _models(broker: Broker, registry: str) -> Sequence[str]:
    try:
        return known_models(broker, registry)
    except Exception:  # noqa: BLE001  what is wrong with the registry is told where that is looked at
        return broker.models()


def _way_to(url: str) -> str:
    if urlsplit(url).scheme == "sqlite":
        return "check that the folder exists and that this user may write to it and to the file"
    return "start it, or check host, port, TLS and firewall; docker run -p 6379:6379 redis:7 gives one to try"


def _look_at_engine(broker: Broker, url: str) -> Iterator[Finding]:
    match broker.capabilities.engine:
        case "redis":
            yield from _look_at_redis(url)
        case "sqlite":
            yield from _look_at_sqlite()
        case _:
            return


def _look_at_redis(url: str) -> Iterator[Finding]:
    from redis import RedisError

    from predictq_broker.redis.connection import open_redis

    redis = open_redis(url)
    try:
        yield _version(redis.info("server"))
        yield from _memory(redis.info("memory"))
    except (RedisError, OSError) as error:
        yield remarkable(_PART, f"the server does not tell about itself: {error}", "grant INFO to this user")
    finally:
        redis.close()


def _version(told: Mapping[str, Any]) -> Finding:
    name = told.get("server_name", "redis")
    version = str(told.get(f"{name}_version", told.get("redis_version", "0")))
    if _numbers(str(told.get("redis_version", "0"))) < _REDIS_NEEDED:
        return wrong(_PART, f"{name} {version} is too old", "run Redis 7.0 or Valkey 7.2 or newer")
    return fine(_PART, f"{name} {version}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _memory(told: Mapping[str, Any]) -> Iterator[Finding]:
    limit, used, policy = int(told.get("maxmemory", 0)), int(told.get("used_memory", 0)), told.get("maxmemory_policy")
    if limit and policy != "noeviction":
        yield wrong(
            _PART,
            f"maxmemory-policy is {policy}: a full server would throw requests away unanswered",
            "CONFIG SET maxmemory-policy noeviction, and in the server's configuration file",
        )
    if limit and used > 0.9 * limit:
        yield remarkable(_PART, f"{used / limit:.0%} of its memory is used", "let workers drain it, or raise maxmemory")


def _look_at_sqlite() -> Iterator[Finding]:
    import sqlite3

    if sqlite3.sqlite_version_info[:2] < _SQLITE_NEEDED:
        yield wrong(_PART, f"SQLite {sqlite3.sqlite_version} is too old", "use a Python with SQLite 3.35 or newer")
    else:
        yield fine(_PART, f"SQLite {sqlite3.sqlite_version}; for processes of this machine only")


def _durable(durability: Durability) -> Finding:
    survives, because = durability
    told = f"survives {survives.name.lower().replace('_', ' ')}: {because}"
    if survives is Survives.NOTHING:
        return remarkable(_PART, told, "for production set appendonly yes; a worker can insist: --require-durability")
    return fine(_PART, told)


def _look_at_queue(broker: Broker, model: str) -> Iterator[Finding]:
    stats = broker.stats(model)
    if stats.queued and not stats.consumers:
        do = f"start one: predictq worker --model {model}"
        yield wrong(_PART, f"{stats.queued} requests to {model} wait, and no worker reads them", do)
    elif stats.oldest is not None and stats.oldest > _OLD:
        do = "start more workers, or give them more runners"
        yield remarkable(_PART, f"the oldest request to {model} is {stats.oldest:.0f} s old", do)
    if stats.dead:
        yield remarkable(_PART, f"{stats.dead} dead letters of {model}", f"predictq dead list {model}")
