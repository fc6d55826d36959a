"""The port as a few dictionaries: what any broker must do, short enough to be read as the specification."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from predictq_broker.messages import Code, Outcome, Priority, Request, Result, Verdict
from predictq_broker.port import Capacity, Limits

__all__ = ["Entry", "Hand", "Holder", "Letter", "Model", "Note"]


@dataclass(eq=False)
class Entry:
    """A request that was accepted. `number`: its place in the order of acceptance; `offer`: the first one of those with
    which an engine may keep it, 0 for none.
    """

    request: Request
    number: int
    attempt: int = 1
    given_back: bool = False
    offer: int = 0

    @property
    def turn(self) -> tuple[int, bool, int]:
        """Its place in the queue: by priority, and within each what was given back first."""
        return list(Priority).index(self.request.priority), not self.given_back, self.number


@dataclass(eq=False)
class Note:
    """A result that was published and not yet read for good. `body` is None where the words are the engine's."""

    id: str
    status: Code
    body: bytes | None
    model: str
    number: int
    attempt: int = 1
    given_back: bool = False

    @property
    def turn(self) -> tuple[bool, int]:
        """Its place among the results of its model."""
        return not self.given_back, self.number

    def is_told_by(self, result: Result) -> bool:
        """Whether `result` is this one."""
        told = (result.id, result.status, result.model)
        return told == (self.id, self.status, self.model) and self.body in {None, result.body}


@dataclass(eq=False)
class Letter:
    """A request in the dead-letter queue."""

    request: Request
    reason: str
    attempts: int


@dataclass(eq=False)
class Hand:
    """What a consumer or subscriber was handed: live until it is settled, given back or lost."""

    delivery: Any
    of: Any
    generation: int
    live: bool = True


@dataclass(eq=False)
class Holder:
    """A consumer or subscriber. A `generation` ends when its lease is lost; until it knows, it is `fenced`.

    `joined` are the models it surely has a lease on, `rejoining` those it may have one on again.
    """

    party: Any
    hands: list[Hand] = field(default_factory=list[Hand])
    joined: set[str] = field(default_factory=set[str])
    rejoining: set[str] = field(default_factory=set[str])
    lost: int = 0
    fenced: bool = False
    generation: int = 0

    @property
    def live(self) -> list[Hand]:
        """What it holds now."""
        return [hand for hand in self.hands if hand.live]

    def taken(self, deliveries: Sequence[Any], entries: Sequence[Any]) -> None:
        """It was handed these."""
        pairs = zip(deliveries, entries, strict=True)
        self.hands += [Hand(delivery, of, self.generation) for delivery, of in pairs]

    def emptied(self) -> list[Any]:
        """What it held and now holds no more."""
        gone = self.live
        for hand in gone:
            hand.live = False
        return [hand.of for hand in gone]

    def told_of_losses(self) -> int:
        """What its next `renew` says."""
        lost, self.lost = self.lost, 0
        return lost


class Model:
    """Where every accepted request is: waiting, in somebody's hands, answered, or dead."""

    def __init__(self, limits: Limits, *, unread_by_model: bool) -> None:
        self.limits = limits
        self.waiting: dict[str, list[Entry]] = defaultdict(list)
        self.held: dict[str, list[Entry]] = defaultdict(list)
        self.dead: dict[str, list[Letter]] = defaultdict(list)
        self.known: dict[tuple[str, str], tuple[object, Entry]] = {}
        self.forgotten: dict[tuple[str, str], Entry] = {}
        self.results: dict[str, list[Note]] = defaultdict(list)
        self.seen: set[str] = set()
        self._unread_by_model = unread_by_model
        self._numbers = 0

    def next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    def unsettled(self, model: str) -> list[Entry]:
        return self.waiting[model] + self.held[model]

    # producers

    def send(self, requests: Sequence[Request], *, first: bool = False) -> list[Verdict]:
        """Each is stored whole or not at all; once the queue is full for one it is full for all new ones after it."""
        offer = self.next_number() if first else 0
        self.seen |= {request.model for request in requests}
        unread = {request.reply_to: self._unread(request.reply_to, request.model) for request in requests}
        verdicts: list[Verdict] = []
        for request in requests:
            verdict = self._verdict(request, unread[request.reply_to], full=Verdict.QUEUE_FULL in verdicts)
            if verdict is Verdict.ACCEPTED:
                self._accept(request, offer)
            verdicts.append(verdict)
        return verdicts

    def _unread(self, reply_to: str, model: str) -> int:
        notes = self.results[reply_to] if reply_to else []
        return sum(not self._unread_by_model or note.model == model for note in notes)

    def _verdict(self, request: Request, unread: int, *, full: bool) -> Verdict:
        if known := self.known.get((request.model, request.id)):
            return Verdict.DUPLICATE if known[0] == question(request) else Verdict.CONFLICT
        entries = self.unsettled(request.model)
        size = sum(len(entry.request.body) for entry in entries) + len(request.body)
        if full or len(entries) >= self.limits.queue_requests or size > self.limits.queue_bytes:
            return Verdict.QUEUE_FULL
        return Verdict.RESULTS_FULL if unread >= self.limits.unread_results else Verdict.ACCEPTED

    def _accept(self, request: Request, offer: int) -> None:
        entry = Entry(request, self.next_number(), offer=offer)
        self.waiting[request.model].append(entry)
        self.known[request.model, request.id] = question(request), entry
        self.forgotten.pop((request.model, request.id), None)

    def cancel(self, model: str, names: Iterable[str], really: Callable[[str], bool]) -> list[str]:
        """What waits and whose id is remembered is withdrawn, its requester told, and its id forgotten.

        `really` says of an id whose window is over what the engine did: it may, and need not, remember it longer.
        """
        withdrawn: list[str] = []
        for name in dict.fromkeys(names):
            entry = self._waiting_under(model, name, really)
            if entry is not None:
                self.waiting[model].remove(entry)
                self.known.pop((model, name), None)
                self.forgotten.pop((model, name), None)
                self._publish(entry.request, Result(name, Code.CANCELLED, b"", model), body=None)
                withdrawn.append(name)
        return withdrawn

    def _waiting_under(self, model: str, name: str, really: Callable[[str], bool]) -> Entry | None:
        known = self.known.get((model, name))
        late = self.forgotten.get((model, name))
        entry = known[1] if known else late if late is not None and really(name) else None
        return entry if entry in self.waiting[model] else None

    def window_is_over(self) -> None:
        """Every id accepted until now is forgotten."""
        self.forgotten |= {name: entry for name, (_, entry) in self.known.items()}
        self.known.clear()

    # workers

    def receive(self, model: str, room: Capacity, really: Callable[[Request], bool]) -> list[Entry]:
        """In turn, as far as there is room; of what was given back, nothing from the first suspect too many on.

        `really` says of what was offered together with the last one there was room for whether the engine gave it too.
        """
        self.seen.add(model)
        taken: list[Entry] = []
        suspects = room.suspects
        stopped: set[Priority] = set()
        for entry in sorted(self.waiting[model], key=lambda entry: entry.turn):
            suspect = entry.attempt > 1
            if suspect and suspects <= 0:
                stopped.add(entry.request.priority)
            if entry.given_back and entry.request.priority in stopped:
                continue
            if not room.any and not (
                taken and entry.offer and taken[-1].offer == entry.offer and really(entry.request)
            ):
                break
            taken.append(entry)
            suspects -= suspect
            room = room.after(entry.request)
        for entry in taken:
            self._move(entry, self.waiting, self.held)
        return taken

    def settle(self, hand: Hand, outcome: Outcome) -> None:
        """Its result is published, and it is gone."""
        hand.live = False
        self.held[hand.of.request.model].remove(hand.of)
        self._publish(hand.of.request, outcome.result, outcome.result.body)

    def bury(self, hand: Hand, outcome: Outcome) -> None:
        """As `settle`, and the request is kept as a dead letter."""
        self.settle(hand, outcome)
        letter = Letter(hand.of.request, outcome.result.body.decode(), hand.of.attempt)
        self.dead[hand.of.request.model].append(letter)

    def give_back(self, entries: Iterable[Entry], *, died: bool) -> None:
        """They are first in turn again, and who held them may have died of them."""
        for entry in entries:
            entry.attempt += died
            entry.given_back = True
            self._move(entry, self.held, self.waiting)

    def _move(self, entry: Entry, source: dict[str, list[Entry]], target: dict[str, list[Entry]]) -> None:
        source[entry.request.model].remove(entry)
        target[entry.request.model].append(entry)

    # operators

    def replay(self, model: str, letters: Iterable[Letter]) -> None:
        """They are requests again, the last in their line; an id that is remembered means this one now."""
        for letter in letters:
            self.dead[model].remove(letter)
            entry = Entry(letter.request, self.next_number())
            self.waiting[model].append(entry)
            name = (model, letter.request.id)
            if name in self.known:
                self.known[name] = self.known[name][0], entry
            elif name in self.forgotten:
                self.forgotten[name] = entry

    # readers of results

    def _publish(self, request: Request, result: Result, body: bytes | None) -> None:
        if request.reply_to:
            note = Note(result.id, result.status, body, request.model, self.next_number())
            self.results[request.reply_to].append(note)

    def in_turn(self, reply_to: str, model: str) -> list[Note]:
        """The results of one model that nobody holds, in the order in which they are read."""
        notes = [note for note in self.results[reply_to] if note.model == model]
        return sorted(notes, key=lambda note: note.turn)


def question(request: Request) -> object:
    """What must be equal for a repeated id to be a duplicate."""
    return request.body, request.ref, request.method, request.content_type
