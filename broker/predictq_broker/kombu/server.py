"""What lies behind a URL: how to open links to it, and what it can do."""

from typing import Any, Final, Protocol

from predictq_broker.capabilities import Capabilities, Durability, Survives
from predictq_broker.kombu.amqp import Address, AmqpLink
from predictq_broker.kombu.generation import Links
from predictq_broker.kombu.link import Link
from predictq_broker.kombu.virtual import VirtualLink

__all__ = ["RabbitMq", "Server", "Virtual"]

_PATIENCE: Final = 60.0
"""Seconds to wait for an answer that nothing else has to wait for."""


class Server(Protocol):
    """One kind of server."""

    capabilities: Capabilities

    @property
    def links(self) -> Links:
        """How to open links to it."""
        ...

    def durability(self) -> Durability:
        """What it survives, if it can be reached."""
        ...


class RabbitMq:
    """RabbitMQ 3.10 or later.

    A server ends a connection between two and three heartbeats after the last sign of life. With 0.4 of a lease a
    reading connection ends after 0.8 to 1.2 leases, and with 0.2 a writing one before, though its last sign of life be
    a fifth of a lease younger. Heartbeats are whole seconds: no lease is really shorter than 5 s.
    """

    def __init__(self, url: str) -> None:
        self._address = Address.of(url)
        self.capabilities = Capabilities(
            engine="rabbitmq",
            one_answer=False,
            dedup=False,
            cancel=False,
            figures=False,
            lists_models=False,
            on_demand=False,
            broker_clock=False,
        )

    @property
    def links(self) -> Links:
        """As `Server.links`."""
        return Links(
            reading=self._reading,
            writing=self._writing,
            plain=self._plain,
            trying=self._trying,
        )

    def _trying(self) -> Link:
        return AmqpLink(self._address, answer=_PATIENCE)

    def _reading(self, lease: float) -> Link:
        return AmqpLink(self._address, max(2, round(lease * 0.4)))

    def _writing(self, lease: float) -> Link:
        return AmqpLink(self._address, max(1, round(lease * 0.2)))

    def _plain(self) -> Link:
        return AmqpLink(self._address)

    def durability(self) -> Durability:
        """As `Server.durability`. How many nodes keep a quorum queue, AMQP does not tell."""
        link = AmqpLink(self._address)
        try:
            return Durability(Survives.POWER_LOSS, f"{link.product}, quorum queues, each message confirmed")
        finally:
            link.close()


class Virtual:
    """Anything that kombu makes a virtual transport of. Of what it stores and keeps, it can be asked nothing."""

    def __init__(self, name: str, url: str, options: dict[str, Any]) -> None:
        self._name = name
        self._url = url
        self._options = options
        self.capabilities = Capabilities(
            engine=f"kombu+{name}",
            one_answer=False,
            dedup=False,
            cancel=False,
            blocking=False,
            shared=name != "memory",
            figures=False,
            lists_models=False,
            on_demand=False,
            broker_clock=False,
            attempts=False,
            expires=False,
        )

    @property
    def links(self) -> Links:
        """As `Server.links`; leases there are none."""
        return Links(reading=self._leased, writing=self._leased, plain=self._plain, trying=None)

    def _leased(self, _lease: float) -> Link:
        return VirtualLink(self._url, self._options)

    def _plain(self) -> Link:
        return VirtualLink(self._url, self._options)

    def durability(self) -> Durability:
        """As `Server.durability`."""
        return Durability(Survives.NOTHING, f"kombu's transport {self._name!r} cannot be asked what it keeps")
