"""What an engine can promise, as data: the docs print it, the contract suite reads it."""

from enum import IntEnum
from typing import NamedTuple

__all__ = ["Capabilities", "Durability", "Survives"]


class Capabilities(NamedTuple):
    """Which of the port's promises an engine gives.

    Attributes:
        engine: Its name, as in the docs.
        one_answer: A result is published at most once, however often a request runs.
        dedup: An id accepted once is recognised.
        cancel: A waiting request can be withdrawn.
        priorities: High is read before normal before low.
        blocking: `receive` sleeps in the broker instead of looking again and again.
        shared: Reaches processes on other machines.
        figures: `stats` knows what is held and how old it is, and what is held counts against the limits.
        lists_models: `models` names those that others use, too.
        on_demand: A consumer is given requests only while it is in `receive`; if not, it may be sent some ahead,
            as many as its last capacity allowed.
        broker_clock: Deadlines count on the broker's clock; if not, those of sender and worker must agree.
        attempts: What a consumer that died held comes back within about a lease, with `attempt` raised; if not, it
            comes back when the transport says, or never.
        expires: An inbox expires when its client is gone.
    """

    engine: str
    one_answer: bool = True
    dedup: bool = True
    cancel: bool = True
    priorities: bool = True
    blocking: bool = True
    shared: bool = True
    figures: bool = True
    lists_models: bool = True
    on_demand: bool = True
    broker_clock: bool = True
    attempts: bool = True
    expires: bool = True


class Survives(IntEnum):
    """What an accepted request survives; each includes those before it."""

    NOTHING = 0
    PROCESS_CRASH = 1
    POWER_LOSS = 2
    NODE_LOSS = 3


class Durability(NamedTuple):
    """What the broker said it survives, with the settings that make it so, in a sentence."""

    survives: Survives
    because: str
