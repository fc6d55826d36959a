"""The engine for Redis 7 and later, and for Valkey: streams, a consumer group, one Lua script a step."""

from predictq_broker.redis.broker import RedisBroker

__all__ = ["RedisBroker"]
