"""The broker on Redis streams: what a producer and an operator do with it."""

from collections.abc import Sequence
from typing import Any, Self

from predictq_broker.capabilities import Capabilities, Durability
from predictq_broker.messages import QueueStats, Request, Verdict
from predictq_broker.names import check_name, check_names
from predictq_broker.port import Limits
from predictq_broker.redis import durability
from predictq_broker.redis.connection import command
from predictq_broker.redis.consumer import RedisConsumer
from predictq_broker.redis.dead_letters import RedisDeadLetters
from predictq_broker.redis.entries import accepted
from predictq_broker.redis.inbox import RedisInbox
from predictq_broker.redis.keys import WORKERS, Keys, Known, known_models
from predictq_broker.redis.offering import send_words
from predictq_broker.redis.refusals import absent
from predictq_broker.redis.scripts import Scripts
from predictq_broker.redis.server import Server, open_server
from predictq_broker.redis.subscription import RedisSubscription

__all__ = ["RedisBroker"]

_VERDICTS = {
    "A": Verdict.ACCEPTED,
    "D": Verdict.DUPLICATE,
    "C": Verdict.CONFLICT,
    "F": Verdict.QUEUE_FULL,
    "U": Verdict.RESULTS_FULL,
}


class RedisBroker:
    """Implements `predictq_broker.Broker`."""

    def __init__(self, where: Server, limits: Limits, capabilities: Capabilities, *, shebang: bool = True) -> None:
        self.capabilities = capabilities
        self.limits = limits
        self._where = where
        self._scripts = Scripts.register(where, shebang=shebang)
        self._known = Known(where)

    @classmethod
    def connect(cls, url: str, limits: Limits) -> "RedisBroker":
        """A broker for one of the URLs that `Address.of` understands."""
        return cls(open_server(url), limits, Capabilities(engine="redis"))

    def send(self, requests: Sequence[Request], *, first: bool = False) -> Sequence[Verdict]:  # noqa: ARG002  they are looked for all the same
        """As `Broker.send`."""
        if not requests:
            return []
        keys = self._keys(requests)
        limits = self.limits
        args: list[Any] = [keys.prefix, limits.queue_requests, limits.queue_bytes, limits.unread_results]
        args += (round(limits.dedup * 1000), *send_words(requests))
        with self._where.trying("send"):
            self._known.announce((requests[0].model,))
            letters = self._scripts.send(keys=[*keys.streams, keys.size], args=args)
        return [_VERDICTS[letter] for letter in letters.decode()]

    def _keys(self, requests: Sequence[Request]) -> Keys:
        models = {request.model for request in requests}
        if len(models) > 1:
            raise ValueError(f"one send is for one model, not for {', '.join(sorted(models))}")
        for reply_to in {request.reply_to for request in requests} - {""}:
            check_name("reply-to", reply_to)
        check_names("request id", [request.id for request in requests])
        return Keys.of(check_name("model", requests[0].model))

    def cancel(self, model: str, ids: Sequence[str]) -> Sequence[str]:
        """As `Broker.cancel`."""
        keys = Keys.of(check_name("model", model))
        args = [WORKERS, keys.prefix, round(self.limits.inbox_ttl * 1000), *ids]
        with self._where.trying("cancel"):
            withdrawn = self._scripts.cancel(keys=[*keys.streams, keys.size], args=args)
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
            pipeline.xlen(keys.dead)
            pipeline.hlen(keys.leases)
            pipeline.time()
            *lanes, dead, consumers, clock = pipeline.execute(raise_on_error=False)
            return _stats([lanes[n : n + 3] for n in (0, 3, 6)], dead, consumers, clock[0] + clock[1] / 1e6)

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


def _stats(lanes: list[list[Any]], dead: Any, consumers: Any, now: float) -> QueueStats:
    """From the length, the pending entries and the first entry of each stream."""
    for reply in (dead, consumers, *(length for length, _, _ in lanes), *(first for _, _, first in lanes)):
        if isinstance(reply, Exception):
            raise reply
    held = sum(_held(pending) for _, pending, _ in lanes)
    oldest = [now - accepted(first[0][0]) for _, _, first in lanes if first]
    return QueueStats(
        queued=sum(length for length, _, _ in lanes) - held,
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
