"""The broker on queues that others run: what a producer and an operator do with it."""

import threading
from collections.abc import Callable, Sequence
from typing import Self

from predictq_broker.capabilities import Durability
from predictq_broker.each import one_by_one
from predictq_broker.errors import BrokerError
from predictq_broker.kombu.consumer import KombuConsumer
from predictq_broker.kombu.dead_letters import KombuDeadLetters
from predictq_broker.kombu.inbox import KombuInbox
from predictq_broker.kombu.link import Link
from predictq_broker.kombu.queues import Queues
from predictq_broker.kombu.sending import Sender, checked
from predictq_broker.kombu.server import Server
from predictq_broker.kombu.subscription import KombuSubscription
from predictq_broker.messages import QueueStats, Request, Verdict
from predictq_broker.names import check_name
from predictq_broker.port import Limits

__all__ = ["KombuBroker"]


class _Shared:
    """A link that several calls use, opened when first used and again when it broke."""

    def __init__(self, connect: Callable[[], Link]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._link: Link | None = None

    def __call__(self) -> Link:
        with self._lock:
            if self._link is not None:
                try:
                    self._link.check()
                except BrokerError:
                    self._link.close()
                    self._link = None
            if self._link is None:
                self._link = self._connect()
            return self._link

    def close(self) -> None:
        with self._lock:
            if self._link is not None:
                self._link.close()
                self._link = None


class KombuBroker:
    """Implements `predictq_broker.Broker`."""

    def __init__(self, server: Server, limits: Limits) -> None:
        self.capabilities = server.capabilities
        self.limits = limits
        self._server = server
        self._links = server.links
        self._queues = Queues(limits)
        self._publishing = _Shared(self._links.plain)
        self._asking = _Shared(self._links.plain)  # a server with an alarm answers nothing where we publish
        self._sender = Sender(self._publishing, self._queues, limits)
        self._used: set[str] = set()

    def send(self, requests: Sequence[Request], *, first: bool = False) -> Sequence[Verdict]:  # noqa: ARG002  no id is looked for
        """As `Broker.send`, in so far as `Capabilities` says; sending again with the same id asks again."""
        if not requests:
            return []
        checked(requests)
        self._used.add(requests[0].model)
        return self._sender.send(requests)

    def send_each(
        self, batches: Sequence[Sequence[Request]], *, first: bool = False
    ) -> Sequence[Sequence[Verdict] | BrokerError]:
        """As `Broker.send_each`."""
        return one_by_one(self.send, batches, first=first)

    def cancel(self, model: str, ids: Sequence[str]) -> Sequence[str]:  # noqa: ARG002  nothing can be taken out of these queues
        """As `Broker.cancel`, which is not possible here: nothing is withdrawn."""
        check_name("model", model)
        return []

    def consumer(self, name: str, lease: float = 10.0) -> KombuConsumer:
        """As `Broker.consumer`."""
        check_name("consumer", name)
        return KombuConsumer(self._links, self._queues, lease)

    def inbox(self) -> KombuInbox:
        """As `Broker.inbox`."""
        return KombuInbox(self._links.plain, self._queues)

    def subscription(self, queue: str, lease: float = 10.0) -> KombuSubscription:
        """As `Broker.subscription`."""
        return KombuSubscription(self._links.reading, self._queues, check_name("result queue", queue), lease)

    def dead(self, model: str) -> KombuDeadLetters:
        """As `Broker.dead`."""
        return KombuDeadLetters(self._links.plain, self._queues, check_name("model", model))

    def models(self) -> Sequence[str]:
        """The models whose queues this connection has sent to or asked about, sorted."""
        return sorted(self._used)

    def stats(self, model: str) -> QueueStats:
        """As `Broker.stats`; what is held, and how old it is, nobody tells."""
        check_name("model", model)
        link = self._asking()
        counts = [count for queue in self._queues.lanes(model) if (count := link.count(queue.name))]
        dead = link.count(self._queues.dead(model).name)
        return QueueStats(
            queued=sum(count.waiting for count in counts),
            in_flight=None,
            oldest=None,
            dead=dead.waiting if dead else 0,
            consumers=max((count.consumers for count in counts), default=0),
        )

    def durability(self) -> Durability:
        """As `Broker.durability`."""
        return self._server.durability()

    def close(self) -> None:
        """As `Broker.close`."""
        self._publishing.close()
        self._asking.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
