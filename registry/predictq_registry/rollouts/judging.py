"""What is to come of a rollout, from what all workers saw of it. Whoever says so first writes it down."""

from collections.abc import Iterator, Mapping
from math import ceil, log2
from typing import Final, Literal, NamedTuple

from predictq_registry.rollouts.confidence import Count, interval, surely_more
from predictq_registry.rollouts.observations import Arm, Seen
from predictq_registry.rollouts.rollout import Guards, Rollout

__all__ = ["Verdict", "bucket", "judge", "objection"]

_PER_OCTAVE: Final = 4
_SHORTEST: Final = 1e-4
_EDGES: Final = 100
"""More buckets than there are between the shortest and the longest batch."""
_CELLS: Final = 200
"""More kinds of outputs than are told apart."""
_SLOWER_BATCHES: Final = 0.1
"""How many more batches may be slow."""
_SPARE_MEMORY: Final = 64 << 20


class Verdict(NamedTuple):
    """What is to come of a rollout, and why."""

    then: Rollout | Literal["promote", "stop"]
    why: str


def bucket(seconds: float) -> int:
    """The bucket of a duration: four to each doubling, from a tenth of a millisecond."""
    return max(0, ceil(_PER_OCTAVE * log2(max(seconds, _SHORTEST) / _SHORTEST)))


def judge(rollout: Rollout, seen: Seen, waited: float) -> Verdict | None:
    """What follows from what was seen; None: nothing yet. `waited`: seconds since the rollout is so far."""
    if rollout.guards is not None and (why := objection(rollout.guards, seen)):
        return Verdict("stop", why)
    answers = seen.challenger.answers
    if rollout.strategy != "canary" or waited < rollout.pause or answers < rollout.step * rollout.least:
        return None
    why = f"no guard objects after {answers} answers of version {rollout.version}"
    if not rollout.steps:
        return Verdict("promote", why)
    share, *steps = rollout.steps
    then = rollout.model_copy(update={"share": share, "steps": tuple(steps), "step": rollout.step + 1})
    return Verdict(then, f"{why}: it gets {share:.0%}")


def objection(guards: Guards, seen: Seen) -> str:
    """Why a guard stops the challenger; empty if none does.

    Each is a comparison of shares that holds with confidence: a challenger that keeps within all of them is stopped
    with probability `alpha` at most, however often and however long one looks. Memory is measured and not estimated.
    """
    return next(_objections(guards, seen), "")


def _objections(guards: Guards, seen: Seen) -> Iterator[str]:
    champion, challenger = seen.champion, seen.challenger
    alpha = guards.alpha / 4  # four of the guards may err
    copies = seen.comparison
    asked = challenger.answers + copies.compared + copies.failed
    errors, usual = Count(challenger.errors + copies.failed, asked), Count(champion.errors, champion.answers)
    if guards.errors is not None and surely_more(errors, usual, guards.errors, alpha):
        yield f"errors: {_said(errors)} of its answers, of the champion's {_said(usual)}"
    if guards.slower is not None and (slow := _slow(champion, challenger, guards.slower, alpha)):
        yield slow
    if guards.outputs is not None and (unlike := _unlike(champion, challenger, guards.outputs, alpha)):
        yield unlike
    if guards.disagreement is not None and interval(seen.disagreement, alpha)[0] > guards.disagreement:
        yield f"disagreement: with the champion in {_said(seen.disagreement)} of the requests that both were asked"
    if guards.memory is not None and champion.memory:
        most = guards.memory * champion.memory + _SPARE_MEMORY
        if challenger.memory > most:
            yield f"memory: {challenger.memory >> 20} MB, of the champion's {champion.memory >> 20} MB"


def _slow(champion: Arm, challenger: Arm, factor: float, alpha: float) -> str:
    """Whether some duration is exceeded by more of its batches than `factor` times less is by the champion's."""
    shift = ceil(_PER_OCTAVE * log2(factor))
    usual, now = _numbers(champion.batches), _numbers(challenger.batches)
    for edge in sorted({*usual, *(index - shift for index in now)}):
        ours, theirs = _above(now, edge + shift), _above(usual, edge)
        if surely_more(ours, theirs, _SLOWER_BATCHES, alpha / _EDGES):
            longest = _SHORTEST * 2 ** ((edge + shift) / _PER_OCTAVE)
            return (
                f"slower: {_said(ours)} of its batches took more than {longest:.3g} s, "
                f"of the champion's {_said(theirs)} more than {longest / factor:.3g} s"
            )
    return ""


def _unlike(champion: Arm, challenger: Arm, margin: float, alpha: float) -> str:
    """Whether some label is predicted much more or less often, or some number is exceeded so."""
    for label in sorted({*_labels(champion.outputs), *_labels(challenger.outputs)}):
        ours, theirs = _of(challenger.outputs, label), _of(champion.outputs, label)
        if _surely_apart(ours, theirs, margin, alpha / _CELLS):
            return f"outputs: {label} is {_said(ours)} of its answers, of the champion's {_said(theirs)}"
    usual, now = _numbers(champion.outputs), _numbers(challenger.outputs)
    for edge in sorted({*usual, *now}):
        ours, theirs = _above(now, edge), _above(usual, edge)
        if _surely_apart(ours, theirs, margin, alpha / _CELLS):
            return f"outputs: {_said(ours)} of its numbers lie above a bound, of the champion's {_said(theirs)}"
    return ""


def _surely_apart(one: Count, other: Count, margin: float, alpha: float) -> bool:
    return surely_more(one, other, margin, alpha / 2) or surely_more(other, one, margin, alpha / 2)


def _numbers(counts: Mapping[str, int]) -> dict[int, int]:
    """Buckets are written as whole numbers; everything else is a label."""
    return {int(name): count for name, count in counts.items() if _is_bucket(name)}


def _labels(counts: Mapping[str, int]) -> set[str]:
    return {name for name in counts if not _is_bucket(name)}


def _is_bucket(name: str) -> bool:
    return name.removeprefix("-").isdecimal()


def _above(buckets: Mapping[int, int], edge: int) -> Count:
    return Count(sum(count for index, count in buckets.items() if index > edge), sum(buckets.values()))


def _of(counts: Mapping[str, int], label: str) -> Count:
    return Count(counts.get(label, 0), sum(counts.values()))


def _said(count: Count) -> str:
    share = count.hits / count.looks if count.looks else 0.0
    return f"{count.hits} of {count.looks} ({share:.1%})"
