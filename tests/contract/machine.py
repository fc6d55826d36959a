"""A machine that does to a broker whatever the port allows, in any order, and compares it with the model."""

import sys
from typing import Any

from contract.machine_model import Entry, Holder, Letter, Model, Note
from contract.machine_parties import (
    EVERYTHING,
    LEASE,
    MODELS,
    NAMES,
    QUEUE,
    ROOMY,
    TIGHT,
    Grasp,
    capacities,
    few,
    hands,
    picks,
    with_their_parcels,
)
from contract.machine_readers import Readers
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from predictq_broker.messages import TEXT, Code, Delivery, Outcome, Priority, Request, Result
from predictq_broker.port import Capacity, Limits

__all__ = ["PortMachine"]


def question(name: str, body: bytes, **headers: Any) -> Request:
    """A request whose model and reply-to are set where it is sent."""
    return Request("", body, name, **headers)


def questions() -> st.SearchStrategy[Request]:
    """Requests of which many share an id, with the same payload or another."""
    return st.builds(
        question,
        body=st.sampled_from([b"[[1]]", b"[[1]]", b"2", b""]),
        name=st.sampled_from(NAMES),
        ref=st.sampled_from(["production", "production", "3"]),
        rows=st.sampled_from([1, 1, 2, 3]),
        ttl=st.sampled_from([None, None, 1e6]),
        priority=st.sampled_from(Priority),
    )


class PortMachine(Readers):
    """Everything that a producer, a worker and an operator do."""

    @initialize(limits=st.sampled_from([TIGHT, ROOMY]), busy=st.booleans())
    def open(self, limits: Limits, busy: bool) -> None:  # noqa: FBT001  hypothesis draws it
        self.model = Model(limits, unread_by_model=not self.world.url.startswith("sqlite"))
        self.consumers = {}
        self.subscribers = {}
        self.inboxes = {}
        self._connect()
        if busy:
            self._begin()

    def _begin(self) -> None:
        """Something of everything: waiting, held, answered, dead, and a result in somebody's hands."""
        for model in MODELS:
            requests = [Request(model, b"2", name, reply_to=QUEUE) for name in "abcdef"]
            assert list(self.front.send(requests)) == self.model.send(requests)
        self.receive(0, list(MODELS), Capacity(3))
        self.settle(0, [(0, 4), (1, 4)])
        self.bury(0, [(0, 4)])
        self.read_queue(0, 1)

    # producers

    @rule(model=st.sampled_from(MODELS), data=st.data())
    def send(self, model: str, data: st.DataObject) -> None:
        drawn = data.draw(st.lists(st.tuples(questions(), st.sampled_from(["", QUEUE, 0, 1])), min_size=1, max_size=5))
        requests = [
            request._replace(model=model, reply_to=to if isinstance(to, str) else self.inboxes[to].name)
            for request, to in drawn
        ]
        assert list(self.front.send(requests)) == self.model.send(requests)

    @rule(model=st.sampled_from(MODELS), data=st.data())
    def send_first(self, model: str, data: st.DataObject) -> None:
        """Ids that are new, and that others can ask for again."""
        drawn = data.draw(st.lists(questions(), min_size=1, max_size=3))
        to = data.draw(st.sampled_from(["", QUEUE, 0, 1]))
        reply_to = to if isinstance(to, str) else self.inboxes[to].name
        free = [name for name in NAMES if (model, name) not in {**self.model.known, **self.model.forgotten}]
        requests = [
            request._replace(model=model, reply_to=reply_to, id=name)
            for request in drawn
            for name in [free.pop() if free else f"first{self.model.next_number()}"]
        ]
        assert list(self.front.send(requests, first=True)) == self.model.send(requests, first=True)

    @precondition(lambda self: self.model.limits is ROOMY)
    @rule(model=st.sampled_from(MODELS), count=st.sampled_from([40, 70, 140]))
    def send_many(self, model: str, count: int) -> None:
        requests = [Request(model, b"x", f"many{self.model.next_number()}") for _ in range(count)]
        first = count < 100
        assert list(self.front.send(requests, first=first)) == self.model.send(requests, first=first)

    @rule(model=st.sampled_from(MODELS), names=st.lists(st.sampled_from([*NAMES, "never"]), max_size=4))
    def cancel(self, model: str, names: list[str]) -> None:
        found = list(self.front.cancel(model, names))
        assert sorted(found) == sorted(self.model.cancel(model, names, found.__contains__))

    @rule()
    def let_the_window_pass(self) -> None:
        self.world.pass_window(self.model.limits.dedup + 1)
        self.model.window_is_over()
        for holder in [self.watchman, *self.parties]:
            self._renew(holder)  # the figures of SQLite go by the broker's clock

    # workers

    @rule(number=few, models=st.lists(st.sampled_from(MODELS), unique=True, min_size=1), room=capacities)
    def receive(self, number: int, models: list[str], room: Capacity) -> None:
        consumer = self.consumer(number % 3)
        deliveries = consumer.party.receive(dict.fromkeys(models, room), 0)
        deliveries = sorted(deliveries, key=lambda delivery: models.index(delivery.request.model))
        given = {(delivery.request.model, delivery.request.id) for delivery in deliveries}
        expected = [
            entry
            for model in models
            for entry in self.model.receive(model, room, lambda request: (request.model, request.id) in given)
        ]
        assert [(d.request, d.attempt, d.fault) for d in deliveries] == [(e.request, e.attempt, None) for e in expected]
        assert all((d.expires == float("inf")) is (d.request.ttl is None) for d in deliveries)
        consumer.taken(deliveries, expected)
        consumer.fenced = consumer.fenced and not deliveries
        consumer.rejoining |= set(models)
        if not consumer.fenced:
            consumer.joined |= set(models)

    @precondition(lambda self: any(c.hands for c in self.consumers.values()))
    @rule(number=few, chosen=hands)
    def settle(self, number: int, chosen: Grasp) -> None:
        self._finish(number, chosen, bury=False)

    @precondition(lambda self: any(c.hands for c in self.consumers.values()))
    @rule(number=few, chosen=hands)
    def bury(self, number: int, chosen: Grasp) -> None:
        self._finish(number, chosen, bury=True)

    def _finish(self, number: int, chosen: Grasp, *, bury: bool) -> None:
        consumer = self.consumer(number % 3)
        outcomes = [(hand, self._outcome(hand.delivery)) for hand in self._hands(consumer, chosen)]
        act = consumer.party.bury if bury else consumer.party.settle
        found = act([outcome for _, outcome in outcomes])
        expected: list[Outcome] = []
        for hand, outcome in outcomes:
            if hand.live and hand in consumer.hands:
                (self.model.bury if bury else self.model.settle)(hand, outcome)
                expected.append(outcome)
        assert sorted(map(id, found)) == sorted(map(id, expected))

    def _outcome(self, delivery: Delivery) -> Outcome:
        self.bodies += 1
        code = Code.OK if self.bodies % 3 else Code.MODEL_ERROR
        body, request = f"answer {self.bodies}".encode(), delivery.request
        kind = "application/json" if code is Code.OK else TEXT
        return Outcome(delivery, Result(request.id, code, body, request.model, self.bodies, "sha256:abc", "", kind))

    @precondition(lambda self: any(c.hands for c in self.consumers.values()))
    @rule(number=few, chosen=hands)
    def release(self, number: int, chosen: Grasp) -> None:
        consumer = self.consumer(number % 3)
        hands = with_their_parcels(self._hands(consumer, chosen), consumer)
        consumer.party.release([hand.delivery for hand in hands])
        for hand in hands:
            if hand.live and hand in consumer.hands:
                hand.live = False
                self.model.give_back([hand.of], died=False)

    @precondition(lambda self: self.consumers)
    @rule(number=few)
    def renew(self, number: int) -> None:
        self._renew(self.consumer(number % 3))

    @precondition(lambda self: self.consumers)
    @rule(number=few)
    def reclaim_from_the_living(self, number: int) -> None:
        assert self.consumer(number % 3).party.reclaim() == 0

    @precondition(lambda self: self.consumers)
    @rule(number=few)
    def close_consumer(self, number: int) -> None:
        consumer = self.consumers.pop(number % 3, None)
        if consumer is not None:
            self._leave(consumer)

    def _leave(self, consumer: Holder) -> None:
        consumer.party.close()
        consumer.party.close()
        self.model.give_back(consumer.emptied(), died=False)

    @precondition(lambda self: self.parties)
    @rule(victims=st.sets(st.integers(0, 4), min_size=1))
    def leases_run_out(self, victims: set[int]) -> None:
        """Of consumers 0, 1, 2 and of subscribers 3, 4; everyone else keeps theirs, and watches."""
        everyone = {**self.consumers, **{3 + number: subscriber for number, subscriber in self.subscribers.items()}}
        dead = [holder for number, holder in everyone.items() if number in victims]
        living = [holder for holder in everyone.values() if holder not in dead]
        given_back = self._watch_for_longer_than_a_lease(living)
        assert given_back == sum(len(holder.live) for holder in dead)
        for holder in dead:
            self._fence(holder)

    def _watch_for_longer_than_a_lease(self, living: list[Holder]) -> int:
        reader = self.back.subscription(QUEUE, LEASE)  # to watch over results it must have been handed some
        for delivery in reader.receive(1 << 20, 0):
            self._note_of(delivery).given_back = True
        given_back = 0
        for passed in (0.0, 0.3, 0.3, 0.3, 0.3):
            self.world.clock.passed += passed
            for holder in [self.watchman, *living]:
                self._renew(holder)
            assert reader.renew() == 0
            given_back += self.watchman.party.reclaim() + reader.reclaim()
        reader.close()
        return given_back

    def _note_of(self, delivery: Any) -> Note:
        free = [note for note in self.model.results[QUEUE] if not self._is_held(note)]
        return next(note for note in free if note.is_told_by(delivery.result) and note.attempt == delivery.attempt)

    def _fence(self, holder: Holder) -> None:
        lost = holder.emptied()
        self.model.give_back([of for of in lost if isinstance(of, Entry)], died=True)
        for note in lost:
            if isinstance(note, Note):
                note.attempt += 1
                note.given_back = True
        holder.lost += len(lost)
        holder.rejoining |= holder.joined
        holder.joined = set()
        holder.fenced = True
        holder.generation += 1

    # operators

    @precondition(lambda self: any(self.model.dead.values()))
    @rule(model=st.sampled_from(MODELS), chosen=st.none() | picks)
    def replay(self, model: str, chosen: list[int] | None) -> None:
        tags, letters = self._letters(model, chosen)
        assert self.front.dead(model).replay(tags) == len(letters)
        self.model.replay(model, letters)

    @precondition(lambda self: any(self.model.dead.values()))
    @rule(model=st.sampled_from(MODELS), chosen=st.none() | picks)
    def purge(self, model: str, chosen: list[int] | None) -> None:
        tags, letters = self._letters(model, chosen)
        assert self.front.dead(model).purge(tags) == len(letters)
        self.model.dead[model] = [letter for letter in self.model.dead[model] if letter not in letters]

    def _letters(self, model: str, chosen: list[int] | None) -> tuple[list[str] | None, list[Letter]]:
        """Some dead letters by tag, in order, and what is no tag; all of them compared with the model's."""
        found, expected = self.front.dead(model).list(1 << 20), self.model.dead[model]
        assert [(letter.request, letter.reason, letter.attempts) for letter in found] == [
            (letter.request, letter.reason, letter.attempts) for letter in expected
        ]
        if chosen is None:
            return None, list(expected)
        places = sorted({pick for pick in chosen if pick < len(found)})
        return [*(found[place].tag for place in places), "nonsense"], [expected[place] for place in places]

    @rule()
    def everybody_leaves_and_comes_again(self) -> None:
        self._close_all()
        self._connect()

    def _close_all(self) -> None:
        for consumer in self.consumers.values():
            self._leave(consumer)
        for subscriber in self.subscribers.values():
            self._leave_results(subscriber)
        for number in list(self.inboxes):
            self.read_inbox(number, close=True)
        self.consumers.clear()
        self.subscribers.clear()
        self.watchman.party.close()
        self.front.close()
        self.back.close()

    # what holds after every step

    @invariant()
    def the_figures_are_the_models(self) -> None:
        for model in MODELS:
            stats = self.front.stats(model)
            waiting, held = self.model.waiting[model], self.model.held[model]
            assert (stats.queued, stats.in_flight, stats.dead) == (len(waiting), len(held), len(self.model.dead[model]))
            assert stats.oldest >= 0.0 if waiting or held else stats.oldest == 0.0
            holders = [self.watchman, *self.consumers.values()]
            sure = sum(model in holder.joined for holder in holders)
            most = sum(model in holder.joined | holder.rejoining for holder in holders)
            assert sure <= stats.consumers <= most
        assert set(self.front.models()) == self.model.seen

    # and at the end

    def teardown(self) -> None:
        if sys.exception() is None and hasattr(self, "watchman"):
            self._drain()
        left = self.world.left()
        assert sys.exception() is not None or left == []

    def _drain(self) -> None:
        """What was accepted is waiting, held, answered or dead; all of it comes out, and nothing else."""
        for number in list(self.consumers):
            self.close_consumer(number)
        for model in MODELS:
            while self.model.waiting[model]:
                self.receive(0, [model], EVERYTHING)
            self._finish(0, [(place, 4) for place in range(len(self.consumer(0).live))], bury=False)
            assert not self.model.held[model]
            self.purge(model, None)
        for number in list(self.subscribers):
            self.close_subscriber(number)
        while self.model.results[QUEUE]:
            self.read_queue(0, 1 << 20)
            self.ack(0, [(place, 4) for place in range(len(self.subscriber(0).live))])
        self._close_all()
