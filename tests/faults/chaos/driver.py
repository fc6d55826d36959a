"""The run: faults drawn from a seed, one at a time and then in pairs, until there were enough of everything."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

from faults.chaos.actors import Asker
from faults.chaos.auditor import audit
from faults.chaos.controls import CONTROLS
from faults.chaos.faults import Fault, Harm, catalogue
from faults.chaos.outcome import Event, Outcome, Plan
from faults.chaos.system import System

from predictq_broker import connect

__all__ = ["run"]


def run(plan: Plan, directory: Path, tell: Callable[[str], None] = lambda _: None) -> Outcome:
    """Run it in an empty directory, and judge it."""
    began = time.monotonic()
    system = System(plan.engine, directory, plan.size, plan.seed, plan.control)
    try:
        system.start()
        tell(f"{system.engine.about}; {plan.size.workers} workers of {plan.size.runners} runners stand")
        able, left_out = _able(system, plan)
        events = list(_faults(system, plan, able, tell))
        _drain(system, plan.patience)
        verdict = audit(system.books, system.trained, system.releases, system.abandoned)
        with connect(system.engine.direct) as broker:
            one_answer = broker.capabilities.one_answer
        left_over = _left_over(system, one_answer=one_answer)
    finally:
        system.close()
    seconds = time.monotonic() - began
    return Outcome(plan, verdict, events, left_out, left_over, system.engine.about, one_answer, seconds)


def _able(system: System, plan: Plan) -> tuple[list[Fault], list[str]]:
    """What can be done here, and what cannot, with the reason."""
    wanted = plan.only or (CONTROLS[plan.control].faults if plan.control else ())
    faults = [fault for fault in catalogue(plan.engine) if not wanted or fault.name in wanted]
    reasons = {fault.name: fault.needs(system) for fault in faults}
    return [fault for fault in faults if not reasons[fault.name]], [f"{n}: {why}" for n, why in reasons.items() if why]


def _faults(system: System, plan: Plan, able: Sequence[Fault], tell: Callable[[str], None]) -> Iterator[Event]:
    dice, happened = Random(plan.seed), 0  # noqa: S311  no secret depends on it
    deck = _deck(able, dice)
    end = time.monotonic() + plan.minutes * 60
    _until(system, lambda: system.books.answers > 200, 60)
    for _ in range(3 * plan.faults + 10_000 * (plan.minutes > 0)):  # of which some may not be proven
        if happened >= plan.faults and time.monotonic() >= end:
            break
        _until(system, system.stands, 60)
        drawn = [next(deck)]
        if happened >= plan.pairs * plan.faults and len(able) > 1:
            drawn.append(next(fault for fault in deck if fault is not drawn[0]))
        event = _suffer(system, sorted(drawn, key=lambda fault: not fault.waits), dice, plan.recovery)
        happened += event.happened
        tell(f"{happened:4} {event}")
        yield event
    _until(system, lambda: system.books.accepted >= plan.requests, 600)


def _deck(able: Sequence[Fault], dice: Random) -> Iterator[Fault]:
    """Each once in an order of chance, then each once again, and so on."""
    while True:
        yield from dice.sample(able, len(able))


def _suffer(system: System, drawn: Sequence[Fault], dice: Random, patience: float) -> Event:
    """Have these happen at the same time, and wait until what was accepted before their end is answered."""
    began = time.monotonic()
    proofs: list[str] = []
    troubles: list[str] = []
    harms = [harm for fault in drawn if (harm := _begin(fault, system, dice, troubles))]
    _rest(system, max((seconds for _, seconds in harms), default=0.0))
    for harm, _ in reversed(harms):
        _end(harm, system, proofs, troubles)
    ended = time.monotonic()
    recovered = _until(system, lambda: not system.books.waits_for(ended, system.abandoned), patience)
    recovery = _recovery(system, ended) if recovered else None
    _rest(system, 0.3)
    return Event([fault.name for fault in drawn], proofs, troubles, ended - began, recovery)


def _begin(fault: Fault, system: System, dice: Random, troubles: list[str]) -> tuple[Harm, float] | None:
    harm = fault.inflict(system, dice)
    try:
        return harm, next(harm)
    except Exception as error:  # noqa: BLE001  a fault that cannot begin is told, and the run goes on
        troubles.append(f"{fault.name}: {error!r}")
        return None


def _end(harm: Harm, system: System, proofs: list[str], troubles: list[str]) -> None:
    """Undo it; meanwhile the books are read on, for some faults look into them."""
    with system.following():
        try:
            next(harm)
        except StopIteration as end:
            proofs.append(str(end.value))
        except (Exception, AssertionError) as error:  # noqa: BLE001  as in `_begin`
            troubles.append(repr(error))
        else:
            troubles.append("it went on when it was to end")


def _recovery(system: System, ended: float) -> float:
    """Seconds after `ended` at which the last request accepted before was answered."""
    before = (e for e in system.books.recent() if e.accepted is not None and e.accepted <= ended)
    return max([0.0, *(e.answered - ended for e in before if e.ordinary and e.answered is not None)])


def _rest(system: System, seconds: float) -> None:
    _until(system, lambda: False, seconds)


def _until(system: System, condition: Callable[[], bool], timeout: float) -> bool:
    """Read the books until it is so; False if it is not in time."""
    end = time.monotonic() + timeout
    while True:
        system.books.poll()
        if condition():
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(0.05)


def _drain(system: System, patience: float) -> None:
    """Let producers stop asking, and wait for the rest: until all is answered, or nothing has come for long."""
    for asker in system.askers:
        asker.ask_to_stop()
    answers, since = -1, time.monotonic()
    while system.books.waits_for(float("inf"), system.abandoned) or not all(map(_ended, system.askers)):
        _rest(system, 0.2)
        if system.books.answers != answers:
            answers, since = system.books.answers, time.monotonic()
        elif time.monotonic() - since > patience:
            break
    _rest(system, 1.0)  # one that comes twice comes soon


def _ended(asker: Asker) -> bool:
    return asker.code() is not None


def _left_over(system: System, *, one_answer: bool) -> list[str]:
    """What is still in the broker and should not be; and producers that did not end as they should.

    Where an answered request may come again, it may also end as a dead letter the last time.
    """
    stats = system.hand.stats()
    entries = system.books.entries
    unexplained = [
        letter.request.id
        for letter in (system.hand.dead() if one_answer else ())
        if letter.request.id in entries
        and entries[letter.request.id].answers
        and entries[letter.request.id].code != "dead_lettered"
    ]
    found = [f"producer {asker.name} ended with {asker.code()}, see its log" for asker in system.askers if asker.code()]
    found += [f"{stats.queued} requests still wait"] if stats.queued else []
    found += [f"{stats.in_flight} requests are still held"] if stats.in_flight else []
    return found + [f"{id_} is a dead letter and was answered otherwise" for id_ in unexplained]
