"""Experiments: what is written down stays, and what comes out of it is what statistics say."""

import random
from pathlib import Path

import pytest
from scipy.stats import ttest_ind
from sklearn.dummy import DummyClassifier

from predictq_registry import (
    CHALLENGER,
    CHAMPION,
    ExperimentFull,
    InvalidName,
    Registry,
    Rollout,
    Segment,
    effect_of,
    group_of,
)
from predictq_registry.rollouts import experiments


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = Registry(str(tmp_path))
    estimator = DummyClassifier(strategy="constant", constant=1).fit([[0.0]], [1])
    for _ in range(2):
        registry.publish("iris", estimator)
    registry.set_alias("iris", "production", 1)
    return registry


def exposed(arm: str, *ids: str, unit: str = "") -> Segment:
    return Segment(exposed={arm: dict.fromkeys(ids, unit)})


def test_what_several_workers_write_of_one_experiment_is_joined_by_id(registry: Registry) -> None:
    one, other = (registry.experiment("iris", 3, name) for name in ("one", "other"))
    one.add(exposed(CHAMPION, "a", "b"))
    one.add(exposed(CHAMPION, "c"))
    other.add(exposed(CHALLENGER, "d"))
    other.add(Segment(outcomes={"a": 1.0, "b": 0.0, "d": 5.0, "nobody": 9.0}))
    segments = registry.experiment("iris", 3).read()
    assert len(segments) == 2
    champion, challenger = group_of(segments, CHAMPION), group_of(segments, CHALLENGER)
    assert (champion.exposed, champion.outcomes, champion.units, champion.mean) == (3, 2, 2, 0.5)
    assert (challenger.exposed, challenger.outcomes, challenger.mean) == (1, 1, 5.0)
    assert registry.newest_experiment("iris") == 3


def test_an_experiment_under_way_is_the_newest_before_anything_is_known_of_it(registry: Registry) -> None:
    registry.experiment("iris", 1, "one").add(exposed(CHAMPION, "a"))
    begun = registry.roll_out("iris", "production", Rollout(strategy="ab", version=2, share=0.5))
    assert registry.newest_experiment("iris") == begun.revision


def test_a_full_file_is_left_and_the_next_one_begun_until_there_are_enough(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiments, "_ENTRIES", 2)
    monkeypatch.setattr(experiments, "_SEGMENTS", 2)
    store = registry.experiment("iris", 3, "one")
    for name in "abcd":
        store.add(exposed(CHAMPION, name))
    with pytest.raises(ExperimentFull):
        store.add(exposed(CHAMPION, "e"))
    segments = registry.experiment("iris", 3).read()
    assert [len(segment) for segment in segments] == [2, 2]
    assert group_of(segments, CHAMPION).exposed == 4


def test_a_request_that_the_champion_had_to_answer_belongs_to_the_arm_it_fell_to() -> None:
    segments = [exposed(CHALLENGER, "a"), exposed(CHAMPION, "a", "b"), Segment(outcomes={"a": 1.0, "b": 3.0})]
    assert group_of(segments, CHAMPION).mean == 3.0
    assert group_of(segments, CHALLENGER).mean == 1.0


def test_the_requests_of_one_key_count_once() -> None:
    segments = [exposed(CHAMPION, "a", "b", unit="ann"), exposed(CHAMPION, "c", unit="bob")]
    group = group_of([*segments, Segment(outcomes={"a": 1.0, "b": 3.0, "c": 8.0})], CHAMPION)
    assert (group.outcomes, group.units, group.mean) == (3, 2, 5.0)


def test_the_interval_is_welch_s() -> None:
    generator = random.Random(4)  # noqa: S311  not for secrets
    ours, theirs = ([generator.gauss(mean, 1 + mean) for _ in range(40)] for mean in (0.5, 0.1))
    arms = {CHALLENGER: ours, CHAMPION: theirs}
    segments = [
        Segment(
            exposed={arm: {f"{arm}-{n}": "" for n in range(40)}},
            outcomes={f"{arm}-{n}": value for n, value in enumerate(values)},
        )
        for arm, values in arms.items()
    ]
    effect = effect_of(group_of(segments, CHAMPION), group_of(segments, CHALLENGER))
    expected = ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95)
    assert effect is not None
    assert (effect.low, effect.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_an_interval_needs_two_keys_in_each_arm() -> None:
    segments = [exposed(CHAMPION, "a", "b"), exposed(CHALLENGER, "c"), Segment(outcomes=dict.fromkeys("abc", 1.0))]
    assert effect_of(group_of(segments, CHAMPION), group_of(segments, CHALLENGER)) is None


def test_of_old_rollouts_what_was_seen_is_forgotten_and_what_was_done_is_not(registry: Registry) -> None:
    for began in range(1, 9):
        registry.experiment("iris", began, "one").add(exposed(CHAMPION, "a"))
    registry.roll_out("iris", "production", Rollout(strategy="ab", version=2, share=0.5))
    assert [began for began in range(1, 9) if registry.experiment("iris", began).read()] == [4, 5, 6, 7, 8]
    assert len(registry.history("iris")) == 2


def test_no_alias_can_take_the_place_where_outcomes_are_reported(registry: Registry) -> None:
    with pytest.raises(InvalidName, match="where outcomes are reported"):
        registry.set_alias("iris", "feedback", 1)
