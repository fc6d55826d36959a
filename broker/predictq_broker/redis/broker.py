"""The broker on Redis streams: what a producer and an operator do with it."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Self

from predictq_broker.capabilities import Capabilities, Durability
from predictq_broker.errors import BrokerError
from predictq_broker.messages import QueueStats, Request, Verdict
from predictq_broker.names import check_name
from predictq_broker.port import Limits
from predictq_broker.redis import durability
from predictq_broker.redis.connection import command
from predictq_broker.redis.consumer import RedisConsumer
from predictq_broker.redis.dead_letters import RedisDeadLetters
from predictq_broker.redis.entries import accepted
from predictq_broker.redis.inbox import RedisInbox
from predictq_broker.redis.keys import WORKERS, Keys, known_models
from predictq_broker.redis.refusals import absent
from predictq_broker.redis.scripts import Scripts
from predictq_broker.redis.sending import Sending
from predictq_broker.redis.server import Server, open_server
from predictq_broker.redis.subscription import RedisSubscription

__all__ = ["RedisBroker"]

_EVERY: Final = 1_000_000


class RedisBroker:
    """Implements `predictq_broker.Broker`."""

    def __init__(self, where: Server, limits: Limits, capabilities: Capabilities, *, shebang: bool = True) -> None:
        self.capabilities = capabilities
        self.limits = limits
        self._where = where
        self._scripts = Scripts.register(where, shebang=shebang)
        self._sending = Sending(where, self._scripts, limits)

    @classmethod
    def connect(cls, url: str, limits: Limits) -> "RedisBroker":
        """A broker for one of the URLs that `Address.of` understands."""
        return cls(open_server(url), limits, Capabilities(engine="redis"))

    def send(self, requests: Sequence[Request], *, first: bool = False) -> Sequence[Verdict]:
        """As `Broker.send`."""
        if not requests:
            return []
        (told,) = self._sending.each([requests], first=first)
        if isinstance(told, BrokerError):
            raise told
        return told

    def send_each(
        self, batches: Sequence[Sequence[Request]], *, first: bool = False
    ) -> Sequence[Sequence[Verdict] | BrokerError]:
        """As `Broker.send_each`."""
        return self._sending.each(batches, first=first)

    def cancel(self, model: str, ids: Sequence[str]) -> Sequence[str]:
        """As `Broker.cancel`."""
        keys = Keys.of(check_name("model", model))
        args = [WORKERS, keys.prefix, round(self.limits.inbox_ttl * 1000), *ids]
        with self._where.trying("cancel"):
            withdrawn = self._scripts.cancel(keys=keys.held, args=args)
        return [name.decode() for name in withdrawn]

    def consumer(self, name: str, lease: float = 10.0) -> RedisConsumer:
        """As `Broker.consumer`."""
        return RedisConsumer(self._where, self._scripts, self.limits, check_name("consumer", name), lease)

    def inbox(self) -> RedisInbox:
        """As `Broker.inbox`."""
        return RedisInbox(self._where, self.limits)

    def subscription(self, queue: str, lease: float = 10.0) -> RedisSubscription:
        """As `Broker.subscription`."""
        return RedisSubscription(self._where, self._scripts, check_name("result queue", queue), lease)

    def dead(self, model: str) -> RedisDeadLetters:
        """As `Broker.dead`."""
        return RedisDeadLetters(self._where, self._scripts, check_name("model", model))

    def models(self) -> Sequence[str]:
        """As `Broker.models`."""
        with self._where.trying("list the models"):
            return known_models(self._where)

    def stats(self, model: str) -> QueueStats:
        """As `Broker.stats`."""
        keys = Keys.of(check_name("model", model))
        with self._where.trying("read the figures"):
            pipeline = self._where.at(keys.prefix).pipeline(transaction=False)
            for stream in keys.streams:
                pipeline.xlen(stream)
                command(pipeline, "XPENDING", stream, WORKERS)
                command(pipeline, "XRANGE", stream, "-", "+", "COUNT", 1)
            pipeline.hget(keys.parcels, "more")
            pipeline.xlen(keys.dead)
            pipeline.hlen(keys.leases)
            pipeline.time()
            *lanes, more, dead, consumers, clock = pipeline.execute(raise_on_error=False)
            if isinstance(more, Exception):
                raise more
            beyond = _Beyond(int(more), self._held_beyond(keys)) if more else _Beyond()
            return _stats([lanes[n : n + 3] for n in (0, 3, 6)], beyond, dead, consumers, clock[0] + clock[1] / 1e6)

    def _held_beyond(self, keys: Keys) -> int:
        """How many more requests than entries consumers hold."""
        pipeline = self._where.at(keys.prefix).pipeline(transaction=False)
        for stream in keys.streams:
            command(pipeline, "XPENDING", stream, WORKERS, "-", "+", _EVERY)
        lanes = pipeline.execute(raise_on_error=False)
        held = [
            f"{number}:{item[0].decode()}"
            for number, lane in enumerate(lanes, 1)
            if not absent(lane)
            for item in lane
            if item[1] != b"returned"
        ]
        states = command(self._where.at(keys.prefix), "HMGET", keys.parcels, *held) if held else []
        return sum(int(state.partition(b" ")[0]) - 1 for state in states if state)

    def durability(self) -> Durability:
        """As `Broker.durability`."""
        return durability.ask(self._where)

    def close(self) -> None:
        """As `Broker.close`."""
        self._where.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Beyond(NamedTuple):
    """How many more requests than entries there are, for entries may hold many: in all, and in consumers' hands."""

    queue: int = 0
    held: int = 0


def _stats(lanes: list[list[Any]], beyond: _Beyond, dead: Any, consumers: Any, now: float) -> QueueStats:
    """From the length, the pending entries and the first entry of each stream."""
    for reply in (dead, consumers, *(length for length, _, _ in lanes), *(first for _, _, first in lanes)):
        if isinstance(reply, Exception):
            raise reply
    held = sum(_held(pending) for _, pending, _ in lanes) + beyond.held
    oldest = [now - accepted(first[0][0]) for _, _, first in lanes if first]
    return QueueStats(
        queued=max(sum(length for length, _, _ in lanes) + beyond.queue - held, 0),
        in_flight=held,
        oldest=max([0.0, *oldest]),
        dead=dead,
        consumers=consumers,
    )


def _held(pending: Any) -> int:
    """How many entries consumers hold; those given back wait again. A stream without a group has none."""
    if absent(pending):
        return 0
    return sum(int(count) for name, count in pending[3] or [] if name != b"returned")
