"""A worker's side of the queues."""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from predictq_broker.errors import BrokerError, BrokerFull, BrokerUnavailable
from predictq_broker.failpoints import reached
from predictq_broker.kombu.fields import Arrival, result_letter, returned_letter
from predictq_broker.kombu.generation import Generation, Held, Links, Post
from predictq_broker.kombu.graves import dead_letter
from predictq_broker.kombu.intake import Intake
from predictq_broker.kombu.queues import RETURNED, Queues
from predictq_broker.kombu.scout import Scout
from predictq_broker.messages import Delivery, Outcome
from predictq_broker.port import Capacity

__all__ = ["KombuConsumer"]


class KombuConsumer:
    """Implements `predictq_broker.Consumer`. Its lease is its connections: see `Generation`.

    What the server has sent ahead and nobody was given counts as held when the connections break: its `attempt` rises
    with that of the rest. In order, it goes back by `close` as what was given does: published again, same attempt.
    """

    def __init__(self, links: Links, queues: Queues, lease: float) -> None:
        self._links = links
        self._queues = queues
        self._lease = lease
        self._scout = Scout(links.trying, queues)
        self._receiving = threading.Lock()
        self._changing = threading.Lock()
        self._generation: Generation | None = None
        self._intake: Intake | None = None
        self._lost = 0
        self._closed = False

    def receive(self, wants: Mapping[str, Capacity], wait: float) -> Sequence[Delivery]:
        """As `Consumer.receive`."""
        with self._receiving:
            if self._generation is not None:
                self._alive(self._generation)
            generation, intake = self._connected()
            try:
                self._give_back(generation, intake.unwanted())
                arrivals = intake.receive(wants, wait)
            except BrokerUnavailable:
                self._drop(generation)
                raise
            generation.hold(arrivals)
            return [_delivery(generation, arrival) for arrival in arrivals]

    def _connected(self) -> tuple[Generation, Intake]:
        if self._generation is None or self._intake is None:
            if self._closed:
                raise BrokerUnavailable("receive: this consumer is closed")
            generation = Generation(self._links, self._queues, self._lease)
            with self._changing:
                self._generation, self._intake = generation, Intake(generation.reading, self._queues, self._scout)
        return self._generation, self._intake

    def _alive(self, generation: Generation) -> bool:
        """Whether this generation lives still; if not, it is dropped."""
        try:
            generation.alive()
        except BrokerError:
            self._drop(generation)
            return False
        return True

    def _drop(self, generation: Generation) -> None:
        """A connection broke: what was held is lost. The next `receive` begins anew."""
        with self._changing:
            if self._generation is generation:
                self._generation = self._intake = None
                self._lost += len(generation.held)
        generation.close()

    def renew(self) -> int:
        """As `Consumer.renew`."""
        generation = self._generation
        if generation is not None:
            try:
                generation.beat()
            except BrokerError:
                self._drop(generation)
        with self._changing:
            lost, self._lost = self._lost, 0
        return lost

    def reclaim(self) -> int:
        """Nothing is left to do: the server itself gives back what a broken connection held."""
        return 0

    def settle(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """As `Consumer.settle`, in two steps: a result is published twice if the connection breaks between them.

        Raises:
            BrokerFull: if the server takes nothing now; all is held as before.
            BrokerUnavailable: unknown which are settled; nothing is held any more.
        """
        return self._finish(outcomes, self._answer)

    def bury(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """As `Consumer.bury`; in steps, and with the errors, of `settle`."""
        return self._finish(outcomes, lambda outcome: [*self._grave(outcome), *self._answer(outcome)])

    def release(self, deliveries: Sequence[Delivery]) -> None:
        """As `Consumer.release`: published again for the queue of those given back; a `nack` would raise `attempt`."""
        generation = self._generation
        if generation is not None and deliveries and self._alive(generation):
            self._give_back(generation, [arrival for d in deliveries if (arrival := generation.claim(_held(d)))])

    def _finish(self, outcomes: Sequence[Outcome], posts: Callable[[Outcome], list[Post]]) -> Sequence[Outcome]:
        generation = self._generation
        if generation is None or not outcomes or not self._alive(generation):
            return []
        ours = [outcome for outcome in outcomes if generation.claim(_held(outcome.delivery))]
        arrivals = [_held(outcome.delivery).arrival for outcome in ours]
        self._part(generation, arrivals, [post for outcome in ours for post in posts(outcome)])
        return ours

    def _part(self, generation: Generation, arrivals: Sequence[Arrival], posts: Sequence[Post]) -> None:
        """Publish these, and when they are stored acknowledge those."""
        try:
            generation.publish(posts)
            reached("mid_settle")
            generation.reading.ack([arrival.tag for arrival in arrivals])
        except BrokerError as error:
            generation.hold(arrivals)
            if not isinstance(error, BrokerFull):
                self._drop(generation)
            raise

    def _give_back(self, generation: Generation, arrivals: Sequence[Arrival]) -> None:
        if arrivals:
            self._part(generation, arrivals, [self._back(arrival) for arrival in arrivals])

    def _back(self, arrival: Arrival) -> Post:
        queue = self._queues.requests(arrival.request.model, RETURNED)
        return queue, returned_letter(queue, arrival)

    def _answer(self, outcome: Outcome) -> list[Post]:
        reply_to = outcome.delivery.request.reply_to
        if not reply_to:
            return []
        queue = self._queues.results(reply_to)
        return [(queue, result_letter(queue, outcome))]

    def _grave(self, outcome: Outcome) -> list[Post]:
        queue = self._queues.dead(outcome.delivery.request.model)
        sentence = outcome.result.body.decode(errors="replace")
        return [(queue, dead_letter(queue, _held(outcome.delivery).arrival, sentence))]

    def close(self) -> None:
        """As `Consumer.close`. Where that fails, the end of the connections gives back what is held."""
        self._closed = True
        generation, intake = self._generation, self._intake
        if intake is not None and generation is not None:
            intake.closed = True
            generation.reading.wake()
        with self._receiving:
            if generation is None or intake is None or self._generation is not generation:
                return
            with suppress(BrokerError):
                waiting = [arrival for model in intake.models for arrival in intake.shut(model)]
                self._give_back(generation, [*generation.claim_all(), *waiting])
            self._drop(generation)
            self._lost = 0


def _delivery(generation: Generation, arrival: Arrival) -> Delivery:
    queued, received = arrival.age, time.monotonic()
    ttl = arrival.request.ttl
    expires = math.inf if ttl is None else received + ttl - queued
    tag = Held(generation, arrival)
    return Delivery(arrival.request, tag, arrival.attempt, queued, received, expires, arrival.fault)


def _held(delivery: Delivery) -> Held:
    if not isinstance(delivery.tag, Held):
        raise TypeError("this delivery came from another broker")
    return delivery.tag
