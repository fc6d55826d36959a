"""The rules of those who read results."""

from contract.machine_model import Holder, Note
from contract.machine_parties import MODELS, QUEUE, Grasp, Parties, few, hands, is_ambiguous
from contract.making import drain
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

__all__ = ["Readers"]


class Readers(Parties):
    """Reads two inboxes, and a durable queue with two subscribers."""

    @rule(number=st.integers(0, 1), close=st.booleans())
    def read_inbox(self, number: int, close: bool) -> None:  # noqa: FBT001  hypothesis draws it
        """Everything that has come, in order; then perhaps close it, so that what comes later is nobody's."""
        inbox = self.inboxes[number]
        results = drain(inbox)
        for model in MODELS:
            told = [result for result in results if result.model == model]
            expected = self.model.in_turn(inbox.name, model)
            assert len(told) == len(expected)
            assert all(note.is_told_by(result) for note, result in zip(expected, told, strict=True))
        self.model.results[inbox.name].clear()
        if close:
            inbox.close()
            self.inboxes[number] = self._new_inbox()

    @precondition(lambda self: self.model.results[QUEUE])
    @rule(number=few, capacity=st.integers(1, 5) | st.just(200))
    def read_queue(self, number: int, capacity: int) -> None:
        subscriber = self.subscriber(number % 2)
        deliveries = subscriber.party.receive(capacity, 0)
        free = {model: [n for n in self.model.in_turn(QUEUE, model) if not self._is_held(n)] for model in MODELS}
        assert len(deliveries) == min(capacity, sum(map(len, free.values())))
        notes = [free[delivery.result.model].pop(0) for delivery in deliveries]
        assert all(note.is_told_by(d.result) for note, d in zip(notes, deliveries, strict=True))
        assert [d.attempt for d in deliveries] == [note.attempt for note in notes]
        subscriber.taken(deliveries, notes)

    def _is_held(self, note: Note) -> bool:
        return any(hand.of is note for holder in self.subscribers.values() for hand in holder.live)

    @precondition(lambda self: any(s.hands for s in self.subscribers.values()))
    @rule(number=few, chosen=hands)
    def ack(self, number: int, chosen: Grasp) -> None:
        subscriber = self.subscriber(number % 2)
        hands = self._hands(subscriber, chosen)
        ours = {id(hand): hand for hand in hands if hand.live and hand in subscriber.hands}
        assert subscriber.party.ack([hand.delivery for hand in hands]) == len(ours)
        for hand in ours.values():
            hand.live = False
            self.model.results[QUEUE].remove(hand.of)

    @precondition(lambda self: self.subscribers)
    @rule(number=few)
    def renew_subscriber(self, number: int) -> None:
        subscriber = self.subscriber(number % 2)
        self._renew(subscriber)
        for hand in subscriber.hands:
            if not is_ambiguous(hand, subscriber):
                assert subscriber.party.holds(hand.delivery) is hand.live

    @precondition(lambda self: self.subscribers)
    @rule(number=few)
    def close_subscriber(self, number: int) -> None:
        subscriber = self.subscribers.pop(number % 2, None)
        if subscriber is not None:
            self._leave_results(subscriber)

    def _leave_results(self, subscriber: Holder) -> None:
        subscriber.party.close()
        for note in subscriber.emptied():
            note.given_back = True
