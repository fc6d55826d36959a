"""The Broker port: what every engine gives, cut by who uses it. The docstrings are the specification;
`tests/contract` holds every engine to them.

A producer uses `Broker.send`, `send_each`, `cancel` and an `Inbox`; a worker a `Consumer`; a reader of a
durable result queue a `Subscription`; an operator `stats` and `DeadLetters`. All of it is synchronous and may be
called from several threads. Any call may raise `BrokerError`; see `errors` for what that means.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol, Self

from predictq_broker.capabilities import Capabilities, Durability
from predictq_broker.errors import BrokerError
from predictq_broker.messages import (
    DeadLetter,
    Delivery,
    Outcome,
    QueueStats,
    Request,
    Result,
    ResultDelivery,
    Verdict,
)

__all__ = ["Broker", "Capacity", "Consumer", "DeadLetters", "Inbox", "Limits", "Subscription"]


class Limits(NamedTuple):
    """How much a broker may hold. One object for all engines; given to `connect`.

    Attributes:
        queue_requests: Unsettled requests a model's queue may hold; more are `QUEUE_FULL`.
        queue_bytes: Bytes of bodies a model's queue may hold; more are `QUEUE_FULL`.
        unread_results: Unread results a reply-to may hold; requests that would add more are `RESULTS_FULL`.
        dedup: Seconds for which the broker remembers a request's id after accepting it.
        inbox_ttl: Seconds an inbox outlives the last sign of life of its client.
    """

    queue_requests: int = 1_000_000
    queue_bytes: int = 1 << 30
    unread_results: int = 100_000
    dedup: float = 600.0
    inbox_ttl: float = 60.0


class Capacity(NamedTuple):
    """How much of one model's queue a consumer can take now. It gets at least one request if one waits,
    and stops at whichever is reached first; the request that crosses `rows` or `size` is the last. Requests that were
    stored together, 64 at most, come together, and may so cross any of the four.

    `suspects` is how many may come that outlived a consumer (`attempt` > 1). Whoever holds few of them harms few
    when it dies in turn: a request is set aside for what it did, not for where it happened to wait.
    """

    requests: int
    rows: int = 1 << 30
    size: int = 1 << 30
    suspects: int = 1 << 30

    @property
    def any(self) -> bool:
        """Whether there is room for a request that is under no suspicion."""
        return self.requests > 0 and self.rows > 0 and self.size > 0

    def after(self, *taken: Request) -> "Capacity":
        """What is left when these were taken."""
        return self._replace(
            requests=self.requests - len(taken),
            rows=self.rows - sum([request.rows for request in taken]),
            size=self.size - sum([len(request.body) for request in taken]),
        )


class Consumer(Protocol):
    """A worker's side: requests come under a lease, and leave by exactly one of settle, release and bury.

    The lease is the consumer's, not the request's: it lasts while `renew` is called at least once within
    `lease` seconds, as seen on the monotonic clock of the other consumers. A consumer that does not is fenced:
    what it held goes to others with `attempt` raised by one, and nothing it does to those deliveries has
    any effect any more. It may go on receiving; only what it held is lost.
    """

    def receive(self, wants: Mapping[str, Capacity], wait: float) -> Sequence[Delivery]:
        """Requests from the queues named in `wants`, as many as each one's capacity allows.

        Blocks for at most `wait` seconds while there is none, then returns empty. High comes before
        normal before low priority; within each, those given back first, then in order of acceptance. A message
        that is not a valid request is delivered too, with its `fault`.
        """
        ...

    def renew(self) -> int:
        """Keep the lease alive; returns how many deliveries were lost with it since the last call."""
        ...

    def reclaim(self) -> int:
        """Fence the consumers of our queues whose lease has run out and give back what they held.

        To be called several times a lease. Liveness is judged by watching each one's heartbeat on our own
        monotonic clock, so no clock that jumps can take a lease. Returns how many requests were given back.
        """
        ...

    def settle(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """For each delivery we still own: publish the result and forget the request, in one atomic step.

        Returns those really settled. One that another consumer owns now is left alone. Works on a full broker.
        """
        ...

    def release(self, deliveries: Sequence[Delivery]) -> None:
        """Give deliveries back unharmed: they are received again with the same `attempt`.

        One that was stored together with others may only come again when we hold none of these any more.
        """
        ...

    def bury(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """As `settle`, and the request moves to the dead-letter queue with the result's sentence as reason."""
        ...

    def close(self) -> None:
        """Release what is still held, give up the lease and the connections. May be called twice."""
        ...


class Inbox(Protocol):
    """A client's private reply-to. It lives while it is read and `Limits.inbox_ttl` longer."""

    @property
    def name(self) -> str:
        """What to write into `Request.reply_to`."""
        ...

    def expect(self, model: str) -> None:
        """Say that results from `model` may come from now on; to be called before its first request is sent."""
        ...

    def receive(self, wait: float) -> Sequence[Result]:
        """Results that have come, each once; blocks for at most `wait` seconds while there is none."""
        ...

    @property
    def repeats(self) -> bool:
        """Whether `repeat` works. Where it does not, a signal in the thread that receives can cost what has come."""
        ...

    def repeat(self) -> None:
        """Have the next `receive` tell once more what the last one did, for whoever called that was interrupted.

        Not while another thread receives. What was told before that may come again as well.
        """
        ...

    def close(self) -> None:
        """Remove the inbox and what is unread in it; wakes a blocked `receive`, which returns empty."""
        ...


class Subscription(Protocol):
    """One subscriber of a durable result queue; several share its results. Leases work as a `Consumer`'s."""

    def receive(self, capacity: int, wait: float) -> Sequence[ResultDelivery]:
        """Up to `capacity` results; blocks for at most `wait` seconds while there is none."""
        ...

    def ack(self, deliveries: Sequence[ResultDelivery]) -> int:
        """Forget these results; returns how many were still ours to forget."""
        ...

    def holds(self, delivery: ResultDelivery) -> bool:
        """Whether it is still ours, as far as we know: received, not acknowledged, and not lost since."""
        ...

    def renew(self) -> int:
        """As `Consumer.renew`."""
        ...

    def reclaim(self) -> int:
        """As `Consumer.reclaim`."""
        ...

    def close(self) -> None:
        """Give back what is not acknowledged, and the lease. May be called twice."""
        ...


class DeadLetters(Protocol):
    """The dead-letter queue of one model."""

    def list(self, limit: int = 100) -> Sequence[DeadLetter]:
        """The oldest `limit` dead letters, oldest first."""
        ...

    def show(self, tag: str) -> DeadLetter | None:
        """One of them; None if there is none of that tag."""
        ...

    def replay(self, tags: Collection[str] | None = None) -> int:
        """Put these (None: all) back into the input queue with a fresh count of attempts; returns how many.

        Deadlines start anew. The requester was told `dead_lettered` already and may now get an answer.
        """
        ...

    def purge(self, tags: Collection[str] | None = None) -> int:
        """Forget these (None: all); returns how many."""
        ...


class Broker(Protocol):
    """A connection to one broker. Made by `connect(url)`; a context manager that closes itself."""

    capabilities: Capabilities
    limits: Limits

    def send(self, requests: Sequence[Request], *, first: bool = False) -> Sequence[Verdict]:
        """Store each request whole or not at all, and say of each, in order, what became of it.

        All must be for the same model. Requests are stored in order until the queue is full; all new ones after
        that one are `QUEUE_FULL`, so that of one caller's requests none overtakes another.

        Args:
            requests: What is asked. Those in an `alike.Alike` an engine need not compare.
            first: Whether these ids were made just now and never offered, so that nobody can know them. Then they
                are not looked for, and an engine may keep like requests together, which costs it far less.

        Raises:
            InvalidName: if a model, id or reply-to is no name; then nothing is stored.
            BrokerError: unknown which are stored; sending them again with the same ids is safe.
        """
        ...

    def send_each(
        self, batches: Sequence[Sequence[Request]], *, first: bool = False
    ) -> Sequence[Sequence[Verdict] | BrokerError]:
        """As `send` for each of these, of which each is for one model and none is empty, in as few steps as can be.

        What `send` would raise for one is given in the place of its verdicts, and is none of the others' trouble.
        """
        ...

    def cancel(self, model: str, ids: Sequence[str]) -> Sequence[str]:
        """Withdraw requests that no consumer holds yet, and publish `cancelled` to their reply-to.

        Returns the ids withdrawn; the others are running or already answered, and their result stands. A request
        is found for as long as its id is remembered: `Limits.dedup` seconds from acceptance. An id withdrawn is
        forgotten, and may be asked again.
        """
        ...

    def consumer(self, name: str, lease: float = 10.0) -> Consumer:
        """A new consumer; `name` is for people, and need not be unique."""
        ...

    def inbox(self) -> Inbox:
        """A new inbox with a name of its own."""
        ...

    def subscription(self, queue: str, lease: float = 10.0) -> Subscription:
        """A new subscriber of the durable result queue `queue`."""
        ...

    def dead(self, model: str) -> DeadLetters:
        """The dead-letter queue of `model`."""
        ...

    def models(self) -> Sequence[str]:
        """The models whose queues the broker has seen, sorted."""
        ...

    def stats(self, model: str) -> QueueStats:
        """The figures of one model's queue; all zero for one never seen."""
        ...

    def durability(self) -> Durability:
        """Ask the broker what it survives."""
        ...

    def close(self) -> None:
        """Give back every connection. Consumers, inboxes and subscriptions are closed by their owners first."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
