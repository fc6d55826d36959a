"""Who does something to the broker, and what they hold: what all rules of the machine stand on."""

from contract.machine_model import Hand, Holder, Model
from contract.machine_world import World
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from predictq_broker.connect import connect
from predictq_broker.port import Broker, Capacity, Inbox, Limits

__all__ = [
    "EVERYTHING",
    "LEASE",
    "MODELS",
    "NAMES",
    "QUEUE",
    "ROOMY",
    "TIGHT",
    "Grasp",
    "Parties",
    "capacities",
    "few",
    "hands",
    "is_ambiguous",
    "picks",
    "with_their_parcels",
]

LEASE = 1.0
MODELS = ("iris", "digits")
NAMES = tuple("abcdefgh")
QUEUE = "answers"
EVERYTHING = Capacity(1 << 20)
TIGHT = Limits(queue_requests=6, queue_bytes=24, unread_results=3, dedup=600.0, inbox_ttl=1e7)
ROOMY = Limits(dedup=600.0, inbox_ttl=1e7)

few = st.integers(0, 4)
much = st.just(1 << 30)
capacities = st.builds(Capacity, few | st.just(200), st.integers(1, 5) | much, st.integers(1, 9) | much, few | much)
picks = st.lists(st.integers(0, 30), max_size=6)
hands = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9)), max_size=6)
Grasp = list[tuple[int, int]]
"""Which hands to act on: a place, and among whose."""


class Parties(RuleBasedStateMachine):
    """Two connections, as of a client and of a worker: three consumers, two subscribers, two inboxes."""

    model: Model
    consumers: dict[int, Holder]
    subscribers: dict[int, Holder]
    inboxes: dict[int, Inbox]

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.bodies = 0

    def _connect(self) -> None:
        self.front: Broker = connect(self.world.url, self.model.limits)
        self.back: Broker = connect(self.world.url, self.model.limits)
        for number in (0, 1):
            self.inboxes[number] = self._new_inbox()
        self.watchman = Holder(self.back.consumer("watchman", LEASE), joined=set(MODELS))
        assert list(self.watchman.party.receive(dict.fromkeys(MODELS, Capacity(0)), 0)) == []
        self.model.seen |= set(MODELS)

    def _new_inbox(self) -> Inbox:
        inbox = self.back.inbox()
        for model in MODELS:
            inbox.expect(model)
        inbox.receive(0)
        inbox.receive(0)
        return inbox

    @property
    def parties(self) -> list[Holder]:
        """Everybody who may hold something."""
        return [*self.consumers.values(), *self.subscribers.values()]

    def consumer(self, number: int) -> Holder:
        return self.consumers.setdefault(number, Holder(self.back.consumer(f"c{number}", LEASE)))

    def subscriber(self, number: int) -> Holder:
        return self.subscribers.setdefault(number, Holder(self.back.subscription(QUEUE, LEASE)))

    def _hands(self, holder: Holder, chosen: Grasp) -> list[Hand]:
        """Of all that this one and others were ever handed. One hand may come twice; none is so stale that it is
        indistinguishable from a live one: the same request in the same consumer's hands, given back between.
        """
        everyone = list((self.consumers if holder in self.consumers.values() else self.subscribers).values())
        mine = [hand.of for hand in holder.live]
        found: list[Hand] = []
        for pick, who in chosen:
            match who % 5:
                case 0:  # anybody's, past or present
                    pool = everyone[pick % len(everyone)].hands
                case 1:  # ours, past or present
                    pool = holder.hands
                case 2:  # what we hold now, as it was handed out before
                    pool = [hand for one in everyone for hand in one.hands if hand.of in mine]
                case _:
                    pool = holder.live
            found += pool[pick % len(pool) :][:1] if pool else []
        return [hand for hand in found if not is_ambiguous(hand, holder)]

    def _renew(self, holder: Holder) -> None:
        assert holder.party.renew() == holder.told_of_losses()
        holder.fenced = False


def with_their_parcels(hands: list[Hand], holder: Holder) -> list[Hand]:
    """Also what is held of the same parcels: an engine may give a parcel back only when none of it is held any more."""
    parcels = {id(parcel) for hand in hands if (parcel := getattr(hand.delivery.tag, "entry", None)) is not None}
    others = [hand for hand in holder.hands if id(getattr(hand.delivery.tag, "entry", None)) in parcels]
    return [*hands, *(hand for hand in others if hand not in hands)]


def is_ambiguous(hand: Hand, holder: Holder) -> bool:
    """Whether it is not live, and the same is in the same hands again."""
    again = any(other.of is hand.of for other in holder.live)
    return not hand.live and again and hand in holder.hands and hand.generation == holder.generation
