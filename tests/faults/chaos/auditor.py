"""What the books come to, in the words of Jepsen's checker for queues."""

import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from faults.chaos.books import Books, Entry
from faults.chaos.journal import outputs_text
from models import Iris

__all__ = ["Audit", "audit"]

_EXPECTED = {
    "poison": {"dead_lettered"},
    "long": {"dead_lettered"},
    "hungry": {"dead_lettered", "model_error"},
    "malformed": {"invalid_input"},
}


class Audit(NamedTuple):
    """How many requests came to what.

    Attributes:
        attempted: Asked.
        accepted: Known to be accepted.
        refused: Known not to be stored.
        unknown: Asked, and nobody was told; most of them because who asked was killed.
        recovered: Once unknown, and then accepted or answered.
        abandoned: Accepted from a producer that was killed and whose inbox died with it; nobody can tell their answer.
        answered: With at least one answer.
        lost: Accepted, not abandoned, never answered.
        doubled_at_port: Answers too many in an inbox read at the port, where no client drops repeats.
        doubled_in_queue: Answers too many in the durable result queue.
        doubled_at_client: Answers too many that a client gave to its caller.
        wrong: Answers that are not the right one for the rows, by the release they name.
        unexpected: Answers to what nobody asked.
        redelivered: Results that a subscriber got again after another one had died with them: not an answer too many.
        codes: How the ordinary requests ended.
        reasons: The commonest sentences of errors that ordinary requests ended with, each number in them a `#`.
        buried: Ordinary requests that were set aside, since workers died holding them, three times.
        longest_silence: Seconds between two answers, at most.
    """

    attempted: int
    accepted: int
    refused: int
    unknown: int
    recovered: int
    abandoned: int
    answered: int
    lost: int
    doubled_at_port: int
    doubled_in_queue: int
    doubled_at_client: int
    wrong: int
    unexpected: int
    redelivered: int
    codes: Mapping[str, int]
    reasons: Mapping[str, int]
    buried: int
    longest_silence: float

    def failures(self, *, one_answer: bool) -> list[str]:
        """Which promises were broken."""
        figures = {"lost": self.lost, "doubled at the client": self.doubled_at_client, "wrong": self.wrong}
        figures |= {"unexpected": self.unexpected}
        if one_answer:
            figures |= {"doubled at the port": self.doubled_at_port, "doubled in the queue": self.doubled_in_queue}
        return [f"{count} {name}" for name, count in figures.items() if count]


def audit(books: Books, trained: Iris, releases: Mapping[int, str], abandoned: Collection[str]) -> Audit:
    """Judge every request."""
    entries = books.entries
    accepted = [entry for entry in entries.values() if entry.accepted is not None]
    answered = [entry for entry in entries.values() if entry.answers]
    open_ = [entry for entry in accepted if not entry.answers]
    given_up = [entry for entry in open_ if entry.asker in abandoned]
    extra = Counter[str]()
    for entry in answered:
        extra[entry.asker.partition(".")[0]] += entry.answers - 1
    codes = books.codes()
    return Audit(
        attempted=len(entries),
        accepted=len(accepted),
        refused=sum(entry.refused and entry.accepted is None for entry in entries.values()),
        unknown=sum(entry.accepted is None and not entry.refused for entry in entries.values()),
        recovered=sum(entries[id_].accepted is not None for id_ in books.unknown),
        abandoned=len(given_up),
        answered=len(answered),
        lost=len(open_) - len(given_up),
        doubled_at_port=extra["port"],
        doubled_in_queue=extra.total() - extra["port"] - extra["single"] - extra["bulk"],
        doubled_at_client=extra["single"] + extra["bulk"],
        wrong=sum(not _right(entry, trained, releases) for entry in answered),
        unexpected=len(books.unexpected),
        redelivered=books.redelivered,
        codes=dict(codes),
        reasons=dict(_reasons(answered).most_common(8)),
        buried=codes["dead_lettered"],
        longest_silence=_longest_silence(books),
    )


def _right(entry: Entry, trained: Iris, releases: Mapping[int, str]) -> bool:
    if not entry.ordinary:
        return entry.code in _EXPECTED[entry.what]
    if entry.code != "ok":
        return True  # an error is no wrong answer; it is counted by its code
    answers = {"good": trained.good_answers, "other": trained.other_answers}.get(releases.get(entry.version, ""))
    first, count = map(int, entry.what.split(":"))
    return answers is not None and entry.outputs == outputs_text(answers[first : first + count])


def _reasons(answered: Iterable[Entry]) -> Counter[str]:
    errors = (entry for entry in answered if entry.ordinary and entry.code != "ok")
    return Counter(f"{entry.code}: {re.sub('[0-9]+', '#', entry.outputs)}" for entry in errors)


def _longest_silence(books: Books) -> float:
    times = sorted(entry.answered for entry in books.entries.values() if entry.answered is not None)
    return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0)
