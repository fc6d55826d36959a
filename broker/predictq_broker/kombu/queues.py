"""The queues: their names, and the arguments with which whoever comes first declares them.

    predictq.requests.{M}.high|normal|low   requests of model M; quorum, bounded, dead-lettered to predictq.dead.{M}
    predictq.requests.{M}.returned          what a consumer gave back; read before the others of its priority
    predictq.dead.{M}                       dead letters; classic, for looking at one must not count as a delivery
    predictq.results.{reply-to}             an inbox (classic, expires unused) or a durable result queue (quorum)

All lie behind the default exchange, where the routing key is the queue's name: what every transport has. The prefix is
put before a reply-to, so it can name nothing but a result queue.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from predictq_broker.messages import Priority
from predictq_broker.names import is_inbox
from predictq_broker.port import Limits

__all__ = ["LANES", "RETURNED", "Queue", "Queues"]

RETURNED: Final = "returned"
LANES: Final = (RETURNED, *(priority.value for priority in Priority))
"""The queues of one model's requests."""
_DELIVERY_LIMIT: Final = 20
"""A backstop for requests that no worker of ours gets to bury."""
_NEVER: Final = 1 << 30
"""RabbitMQ 4 drops a message after 20 deliveries if nothing is said, and 3.10 knows no word for never."""


class Queue(NamedTuple):
    """A queue's name and how to declare it."""

    name: str
    arguments: Mapping[str, Any]


class Queues:
    """The queues by what they are for."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def requests(self, model: str, lane: str) -> Queue:
        """Requests for `model` in one of the `LANES`."""
        arguments: dict[str, Any] = {
            "x-queue-type": "quorum",
            "x-delivery-limit": _DELIVERY_LIMIT,
            "x-overflow": "reject-publish",
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": self.dead(model).name,
            "x-dead-letter-strategy": "at-least-once",
        }
        if lane != RETURNED:  # what is given back must find room
            arguments["x-max-length"] = self._limits.queue_requests
            arguments["x-max-length-bytes"] = self._limits.queue_bytes
        return Queue(f"predictq.requests.{model}.{lane}", arguments)

    def lanes(self, model: str) -> list[Queue]:
        """All queues of requests for `model`."""
        return [self.requests(model, lane) for lane in LANES]

    def dead(self, model: str) -> Queue:
        """The dead letters of `model`."""
        return Queue(f"predictq.dead.{model}", {"x-queue-type": "classic"})

    def results(self, reply_to: str) -> Queue:
        """Where the results for `reply_to` go. A durable one has no limit: a result is never dropped."""
        if is_inbox(reply_to):
            expires = max(round(self._limits.inbox_ttl * 1000), 1)
            return Queue(f"predictq.results.{reply_to}", {"x-queue-type": "classic", "x-expires": expires})
        return Queue(f"predictq.results.{reply_to}", {"x-queue-type": "quorum", "x-delivery-limit": _NEVER})
