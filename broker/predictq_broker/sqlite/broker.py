"""The embedded broker, as a producer and an operator see it."""

from collections.abc import Sequence
from typing import Final, Self

from predictq_broker.alike import checked_model, in_runs
from predictq_broker.capabilities import Capabilities, Durability
from predictq_broker.each import one_by_one
from predictq_broker.errors import BrokerError
from predictq_broker.messages import QueueStats, Request, Verdict
from predictq_broker.names import check_name
from predictq_broker.port import Broker, Consumer, DeadLetters, Inbox, Limits, Subscription
from predictq_broker.sqlite.address import read_address
from predictq_broker.sqlite.bell import Bell
from predictq_broker.sqlite.cancelling import withdraw
from predictq_broker.sqlite.consumer import SqliteConsumer
from predictq_broker.sqlite.database import Database, now_ms
from predictq_broker.sqlite.dead_letters import SqliteDeadLetters
from predictq_broker.sqlite.figures import ask_durability, count
from predictq_broker.sqlite.inbox import SqliteInbox
from predictq_broker.sqlite.parcels import parcels_of
from predictq_broker.sqlite.sending import offers, store, store_parcels
from predictq_broker.sqlite.subscription import SqliteSubscription
from predictq_broker.sqlite.sweeping import Sweeper

__all__ = ["SqliteBroker"]

_CAPABILITIES: Final = Capabilities(engine="sqlite", blocking=False, shared=False)


class SqliteBroker:
    """See `predictq_broker.port.Broker`."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self.capabilities = _CAPABILITIES
        self.limits = limits
        self._database = database
        self._requests = Bell(database)
        self._results = Bell(database)
        self._sweeper = Sweeper(limits)

    @classmethod
    def connect(cls, url: str, limits: Limits) -> Broker:
        """A broker for a `sqlite://` URL; the file is opened, and made, when it is first used.

        Raises:
            UnsupportedBroker: if the URL names no file or has an option that is not known.
        """
        return cls(Database(read_address(url)), limits)

    def send(self, requests: Sequence[Request], *, first: bool = False) -> Sequence[Verdict]:
        """Store each request whole or not at all, and say what became of it."""
        if not requests:
            return []
        runs = in_runs(requests)
        checked_model(runs)
        parcels = parcels_of(runs) if first else []
        offered = [] if parcels else offers(requests)
        with self._database.write(durable=True) as connection:
            now = now_ms()
            self._sweeper.drop_inboxes(connection, now)
            if parcels and store_parcels(connection, parcels, self.limits, now):
                verdicts = [Verdict.ACCEPTED] * len(requests)
            else:
                verdicts = store(connection, offered or offers(requests), self.limits, now)
            self._sweeper.forget_ids(connection, now, len(parcels))
        if Verdict.ACCEPTED in verdicts:
            self._requests.ring()
        return verdicts

    def send_each(
        self, batches: Sequence[Sequence[Request]], *, first: bool = False
    ) -> Sequence[Sequence[Verdict] | BrokerError]:
        """As `Broker.send_each`."""
        return one_by_one(self.send, batches, first=first)

    def cancel(self, model: str, ids: Sequence[str]) -> Sequence[str]:
        """Withdraw requests that no consumer holds yet."""
        with self._database.write(durable=True) as connection:
            withdrawn = withdraw(connection, model, ids, now_ms())
        self._results.ring()
        return withdrawn

    def consumer(self, name: str, lease: float = 10.0) -> Consumer:
        """A new consumer."""
        return SqliteConsumer(self._database, name, lease, self._requests, self._results)

    def inbox(self) -> Inbox:
        """A new inbox."""
        return SqliteInbox(self._database, self._results)

    def subscription(self, queue: str, lease: float = 10.0) -> Subscription:
        """A new subscriber of a durable result queue."""
        return SqliteSubscription(self._database, queue, lease, self._requests, self._results)

    def dead(self, model: str) -> DeadLetters:
        """The dead-letter queue of `model`."""
        return SqliteDeadLetters(self._database, check_name("model", model), self._requests)

    def models(self) -> Sequence[str]:
        """The models whose queues the broker has seen, sorted."""
        return [row[0] for row in self._database.read("list_models", {})]

    def stats(self, model: str) -> QueueStats:
        """The figures of one model's queue."""
        return count(self._database, model)

    def durability(self) -> Durability:
        """What the file survives."""
        return ask_durability(self._database)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
