"""What stops a rollout and what carries it on; and how often the statistics are wrong, counted."""

import random

import pytest

from predictq_registry import Arm, Comparison, Guards, Rollout, Seen, Verdict, bucket, judge
from predictq_registry.rollouts.confidence import Count, interval, surely_more
from predictq_registry.rollouts.judging import objection

GUARDS = Guards()


def seen(champion: Arm, challenger: Arm, **compared: int) -> Seen:
    return Seen(champion=champion, challenger=challenger, comparison=Comparison.model_validate(compared))


def took(seconds: float, times: int) -> dict[str, int]:
    return {str(bucket(seconds)): times}


# ── how sure one is ──


def test_an_interval_holds_what_was_seen_and_narrows_as_more_is_seen() -> None:
    assert interval(Count(0, 0), 0.01) == (0.0, 1.0)
    widths = []
    for looks in (10, 100, 1000, 10_000):
        low, high = interval(Count(looks // 10, looks), 0.01)
        assert 0 <= low < 0.1 < high <= 1
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)
    assert interval(Count(0, 100), 0.01)[0] == 0.0
    assert interval(Count(100, 100), 0.01)[1] == 1.0


def test_the_interval_is_the_known_one() -> None:
    """By hand: of 0 hits in n looks, p fits while B(1/2, n + 1/2) / pi < (1 - p)^n / alpha."""
    low, high = interval(Count(0, 1), 0.05)
    assert (low, high) == (0.0, pytest.approx(0.975))  # B(1/2, 3/2) / pi is 1/2


def test_whoever_looks_after_every_request_is_misled_no_more_often_than_alpha() -> None:
    """Many rollouts of two arms that are the same, looked at again and again."""
    generator = random.Random(20)  # noqa: S311  not for secrets
    misled = 0
    for _ in range(200):
        one = other = 0
        for looks in range(1, 201):
            one += generator.random() < 0.1
            other += generator.random() < 0.1
            if looks % 5 == 0 and surely_more(Count(one, looks), Count(other, looks), 0.0, 0.1):
                misled += 1
                break
    assert misled <= 20 + 3 * 18**0.5  # alpha of 200, and three standard deviations


def test_a_share_that_is_larger_is_found_out() -> None:
    assert surely_more(Count(40, 100), Count(10, 1000), 0.02, 0.01)
    assert not surely_more(Count(40, 100), Count(10, 1000), 0.5, 0.01)
    assert not surely_more(Count(2, 3), Count(10, 1000), 0.02, 0.01)


# ── guards ──


def test_two_arms_that_are_alike_pass_every_guard() -> None:
    arm = Arm(answers=5000, errors=20, batches=took(0.004, 900), outputs={"label 0": 900, "label 1": 1100}, memory=1)
    assert objection(Guards(disagreement=0.1), seen(arm, arm, compared=500, differing=10)) == ""


@pytest.mark.parametrize(
    ("challenger", "guard"),
    [
        (Arm(answers=100, errors=30), "errors: 30 of 100 (30.0%) of its answers"),
        (Arm(answers=100, batches=took(0.02, 20)), "slower: 20 of 20 (100.0%) of its batches took more than"),
        (Arm(answers=100, outputs={"label 1": 100}), "outputs: label 0 is 0 of 100"),
        (Arm(answers=100, outputs={str(10_000 + n): 1 for n in range(200)}), "outputs: "),
        (Arm(answers=1, memory=900 << 20), "memory: 900 MB, of the champion's 100 MB"),
    ],
)
def test_each_guard_stops_what_it_is_there_for_and_says_why(challenger: Arm, guard: str) -> None:
    labels = {"label 0": 1000, "label 1": 1000} if "label 1" in challenger.outputs else {}
    numbers = {str(9000 + n): 10 for n in range(200)}
    champion = Arm(answers=2000, errors=2, batches=took(0.004, 900), outputs=labels or numbers, memory=100 << 20)
    rollout = Rollout(strategy="canary", version=2, share=0.1, guards=GUARDS)
    verdict = judge(rollout, seen(champion, challenger), waited=0.0)
    assert verdict is not None
    assert verdict.then == "stop"
    assert verdict.why.startswith(guard)
    off = Guards(errors=None, slower=None, outputs=None, memory=None)
    assert objection(off, seen(champion, challenger)) == ""


def test_those_who_were_asked_the_same_may_differ_only_so_often() -> None:
    apart = seen(Arm(), Arm(), compared=200, differing=100)
    assert objection(Guards(disagreement=0.2), apart).startswith("disagreement: with the champion in 100 of 200")
    assert objection(Guards(disagreement=0.6), apart) == ""
    assert objection(Guards(), apart) == ""


def test_batches_may_take_as_many_times_as_long_as_is_allowed() -> None:
    champion = Arm(answers=2000, batches=took(0.004, 900))
    slower = Arm(answers=2000, batches=took(0.007, 900))
    assert objection(Guards(slower=2.0), seen(champion, slower)) == ""
    assert objection(Guards(slower=1.5), seen(champion, Arm(answers=9, batches=took(0.009, 900)))).startswith("slower")


# ── steps ──


def test_a_canary_goes_on_when_it_has_waited_and_answered_enough() -> None:
    rollout = Rollout(strategy="canary", version=2, share=0.1, steps=(0.5,), pause=60, least=100, guards=GUARDS)
    few, enough = Arm(answers=99), Arm(answers=100)
    assert judge(rollout, seen(Arm(answers=900), enough), waited=59) is None
    assert judge(rollout, seen(Arm(answers=900), few), waited=61) is None
    verdict = judge(rollout, seen(Arm(answers=900), enough), waited=61)
    further = rollout.model_copy(update={"share": 0.5, "steps": (), "step": 2})
    assert verdict == Verdict(further, "no guard objects after 100 answers of version 2: it gets 50%")
    assert judge(further, seen(Arm(answers=900), enough), waited=61) is None
    assert judge(further, seen(Arm(answers=900), Arm(answers=200)), waited=61) == Verdict(
        "promote", "no guard objects after 200 answers of version 2"
    )


def test_an_experiment_and_a_shadow_are_never_promoted_by_themselves() -> None:
    plenty = seen(Arm(answers=10**6), Arm(answers=10**6))
    assert judge(Rollout(strategy="ab", version=2, share=0.5), plenty, waited=1e6) is None
    assert judge(Rollout(strategy="shadow", version=2, mirror=1.0), plenty, waited=1e6) is None
