"""Workers that are broken on purpose: a run in which nothing is lost proves something only if with these much is.

Each takes one safeguard away, in the worker's process alone; nothing in the product knows of them.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, NamedTuple

__all__ = ["CONTROLS", "Control"]


class Control(NamedTuple):
    """One safeguard less.

    Attributes:
        break_it: Takes it away, in this process.
        shows: The figure of the audit that must not be zero then.
        faults: Which faults bring it to light.
        engines: Where the safeguard is.
    """

    break_it: Callable[[], None]
    shows: Literal["lost", "doubled_at_port", "wrong"]
    faults: Sequence[str]
    engines: Sequence[str] = ("sqlite", "redis", "rabbitmq")


def _never_reclaim() -> None:
    """Nobody takes over from the dead."""
    from predictq_worker.keeper import Keeper

    _replace(Keeper, "_keep", lambda self: self._consumer.renew() and None)


def _no_gate() -> None:
    """A result is published whether or not the request is still ours, and late, so that a stop comes in between."""
    _no_gate_on_redis()
    _no_gate_on_sqlite()


def _no_gate_on_redis() -> None:
    from predictq_broker.redis import scripts
    from predictq_broker.redis.consumer import RedisConsumer
    from predictq_broker.redis.outcomes import parts_of
    from predictq_broker.redis.settling import Settling

    safe = scripts.source
    gates = {
        "settle": ("unpack(ARGV, run.first, last)) == run.count then", "unpack(ARGV, run.first, last)) then"),
        "settle_parcels": ("place, numbers, tonumber(count)) then", "place, numbers, tonumber(count)) or true then"),
    }

    def unsafe(name: str) -> str:
        if name not in gates:
            return safe(name)
        text = _without(safe(name), "if not owns(KEYS[4], consumer) then return {0} end", "")
        return _without(text, *gates[name])

    _replace(scripts, "source", unsafe)
    _replace(Settling, "_held", lambda _, outcomes: parts_of(outcomes))
    _late(RedisConsumer, "settle")


def _no_gate_on_sqlite() -> None:
    from predictq_broker.sqlite.consumer import SqliteConsumer
    from predictq_broker.sqlite.lease import Lease
    from predictq_broker.sqlite.settling import Settled

    safe = Lease.settle

    def unsafe(self: Any, connection: Any, tags: Sequence[Any]) -> Settled:
        found = safe(self, connection, tags)
        return Settled({tag[0] for tag in tags}, list({*found.rows, *(tag[0] for tag in tags)}))

    _replace(Lease, "settle", unsafe)
    _replace(Lease, "is_under", lambda *_: True)
    _late(SqliteConsumer, "settle")


def _late(owner: Any, name: str) -> None:
    safe = getattr(owner, name)

    def late(self: Any, outcomes: Any) -> Any:
        time.sleep(0.05)
        return safe(self, outcomes)

    _replace(owner, name, late)


def _replace(owner: Any, name: str, unsafe: Any) -> None:
    assert hasattr(owner, name), f"{owner} has no {name} any more: this control was written for another tree"
    setattr(owner, name, unsafe)


def _without(text: str, safeguard: str, nothing: str) -> str:
    assert safeguard in text, "the script no longer reads as it did when this control was written"
    return text.replace(safeguard, nothing)


def _ack_first() -> None:
    """A request leaves the queue when it is read, and not when it is answered."""
    from predictq_broker.kombu.consumer import KombuConsumer

    safe = KombuConsumer.receive

    def unsafe(self: Any, wants: Any, wait: float) -> Any:
        deliveries = safe(self, wants, wait)
        if deliveries:
            self._generation.reading.ack([delivery.tag.arrival.tag for delivery in deliveries])
        return deliveries

    _replace(KombuConsumer, "receive", unsafe)
    _replace(KombuConsumer, "_part", lambda _self, generation, _arrivals, posts: generation.publish(posts))


def _mixed_answers() -> None:
    """Each request of a batch gets its neighbour's answer."""
    from predictq_worker.answers import Answers

    safe = Answers.of

    def unsafe(self: Any, batch: Any, predicted: Any, started: float) -> Any:
        outputs = predicted.outputs
        return safe(self, batch, predicted._replace(outputs=[*outputs[1:], *outputs[:1]]), started)

    _replace(Answers, "of", unsafe)


CONTROLS: Final = {
    "never-reclaim": Control(_never_reclaim, "lost", ("kill -9 of a worker",), ("sqlite", "redis")),
    "no-gate": Control(_no_gate, "doubled_at_port", ("worker frozen past its lease",), ("sqlite", "redis")),
    "ack-first": Control(_ack_first, "lost", ("kill -9 of a worker",), ("rabbitmq",)),
    "mixed-answers": Control(_mixed_answers, "wrong", ("kill -9 of a runner",)),
}
"""By name, as `make chaos CONTROL=…` takes it."""
