"""`Broker.send_each` for an engine that gains nothing by sending for several models at once."""

from collections.abc import Sequence
from typing import Protocol

from predictq_broker.errors import BrokerError
from predictq_broker.messages import Request, Verdict

__all__ = ["one_by_one"]


class _Send(Protocol):
    def __call__(self, requests: Sequence[Request], *, first: bool = False) -> Sequence[Verdict]: ...


def one_by_one(
    send: _Send, batches: Sequence[Sequence[Request]], *, first: bool
) -> list[Sequence[Verdict] | BrokerError]:
    """What `send` says of each, or what it raises."""
    return [_told(send, batch, first=first) for batch in batches]


def _told(send: _Send, batch: Sequence[Request], *, first: bool) -> Sequence[Verdict] | BrokerError:
    try:
        return send(batch, first=first)
    except BrokerError as error:
        return error
