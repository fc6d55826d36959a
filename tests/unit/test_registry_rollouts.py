"""The routing document of a model: rollouts begin, go on and end in it, one revision each."""

import math
import threading
from pathlib import Path

import pytest
from pydantic import ValidationError
from sklearn.dummy import DummyClassifier

from predictq_registry import InvalidRollout, Registry, Rollout, UnknownRef, point


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """With three releases of one model, the first in production."""
    registry = Registry(str(tmp_path))
    estimator = DummyClassifier(strategy="constant", constant=1).fit([[0.0]], [1])
    for _ in range(3):
        registry.publish("iris", estimator)
    registry.set_alias("iris", "production", 1)
    return registry


def begun(registry: Registry, **plan: object) -> Rollout:
    registry.roll_out("iris", "production", Rollout.model_validate({"strategy": "canary", "version": 2, **plan}))
    rollout = registry.route("iris", "production").rollout
    assert rollout is not None
    return rollout


@pytest.mark.parametrize(
    "plan", [{"pause": math.inf}, {"guards": {"slower": math.inf}}, {"guards": {"memory": math.nan}}]
)
def test_what_json_cannot_say_never_reaches_the_routing_document(registry: Registry, plan: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="finite number"):
        begun(registry, **plan)
    assert registry.route("iris", "production") == (1, None)


def test_a_note_that_is_no_text_is_kept_as_far_as_it_is(registry: Registry) -> None:
    registry.set_alias("iris", "production", 2, author="ad\udcffa", note="wh\udcffy")
    change = registry.history("iris")[-1]
    assert (change.author, change.note) == ("ad?a", "wh?y")
    estimator = DummyClassifier(strategy="constant", constant=1).fit([[0.0]], [1])
    assert registry.publish("iris", estimator, note="wh\udcffy").note == "wh?y"


def test_a_rollout_leaves_the_alias_until_it_is_promoted(registry: Registry) -> None:
    rollout = begun(registry, share=0.1)
    assert (registry.resolve("iris", "production"), rollout.replaces, rollout.began) == (1, 1, 2)
    further = rollout.model_copy(update={"share": 0.5})
    assert registry.carry_on("iris", "production", rollout, further, note="no guard objects")
    assert registry.route("iris", "production") == (1, further)
    assert registry.carry_on("iris", "production", further, "promote")
    assert registry.route("iris", "production") == (2, None)
    assert [change.action for change in registry.history("iris")] == ["set", "begin", "step", "promote"]


def test_the_history_tells_what_began_and_what_ended_with_it(registry: Registry) -> None:
    begun(registry)
    registry.roll_out("iris", "production", Rollout(strategy="shadow", version=3), note="to compare")
    registry.rollback("iris", "production")
    registry.roll_out("iris", "production", Rollout(strategy="recreate", version=2))
    registry.roll_out("iris", "production", Rollout(strategy="rolling", version=3))
    assert [change.note for change in registry.history("iris")][1:] == [
        "canary of version 2",
        "shadow of version 3, which ends the canary of version 2: to compare",
        "",
        "recreate of version 2",
        "rolling of version 3",
    ]


def test_rollback_ends_a_rollout_first_and_then_goes_back_in_the_history(registry: Registry) -> None:
    registry.set_alias("iris", "production", 2)
    begun(registry, version=3)
    stopped = registry.rollback("iris", "production", note="too slow")
    assert (stopped.action, stopped.version, stopped.note) == ("stop", 2, "too slow")
    assert registry.route("iris", "production") == (2, None)
    assert registry.rollback("iris", "production").version == 1


def test_a_promoted_version_is_rolled_back_to_what_it_replaced(registry: Registry) -> None:
    rollout = begun(registry)
    registry.carry_on("iris", "production", rollout, "promote")
    assert registry.rollback("iris", "production").version == 1


def test_to_recreate_moves_the_alias_at_once_and_a_stop_moves_it_back_once(registry: Registry) -> None:
    rollout = begun(registry, strategy="recreate")
    assert registry.route("iris", "production") == (2, rollout)
    assert registry.carry_on("iris", "production", rollout, "stop", note="does not load")
    assert registry.carry_on("iris", "production", rollout, "stop", note="nor here") is None
    assert registry.route("iris", "production") == (1, None)
    assert registry.history("iris")[-1].action == "rollback"


def test_whoever_sets_the_alias_has_the_last_word(registry: Registry) -> None:
    begun(registry)
    registry.set_alias("iris", "production", 3)
    assert registry.route("iris", "production") == (3, None)


def test_the_rollout_of_one_alias_leaves_the_others(registry: Registry) -> None:
    registry.set_alias("iris", "candidate", 1)
    begun(registry)
    registry.set_alias("iris", "candidate", 3)
    assert set(registry.aliases("iris").rollouts) == {"production"}


@pytest.mark.parametrize(
    ("version", "alias", "error"),
    [(1, "production", InvalidRollout), (9, "production", UnknownRef), (2, "nowhere", UnknownRef)],
)
def test_a_rollout_without_a_challenger_or_a_champion_does_not_begin(
    registry: Registry, version: int, alias: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        registry.roll_out("iris", alias, Rollout(strategy="canary", version=version))
    assert len(registry.history("iris")) == 1


def test_of_many_who_want_to_say_the_same_one_does(registry: Registry) -> None:
    rollout = begun(registry, steps=(0.5, 1.0))
    further = rollout.model_copy(update={"share": 0.5, "steps": (1.0,)})
    said: list[object] = []
    threads = [
        threading.Thread(target=lambda: said.append(registry.carry_on("iris", "production", rollout, further)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(change is not None for change in said) == 1
    assert registry.route("iris", "production").rollout == further


# ── who falls into a share ──


def test_a_share_gets_its_share_of_the_keys() -> None:
    for share in (0.01, 0.1, 0.5):
        count = sum(point("iris/7", f"user-{n}") < share for n in range(20_000))
        assert abs(count - 20_000 * share) < 4 * (20_000 * share * (1 - share)) ** 0.5  # four standard deviations


def test_who_is_in_a_share_stays_in_it_when_it_grows_and_the_place_never_changes() -> None:
    places = [point("iris/7", f"user-{n}") for n in range(1000)]
    assert all(0 <= place < 1 for place in places)
    assert {n for n in range(1000) if places[n] < 0.1} < {n for n in range(1000) if places[n] < 0.3}
    assert point("iris/7", "user-1") == 0.306384721238046


def test_another_rollout_shuffles_anew() -> None:
    both = sum(point("iris/7", f"user-{n}") < 0.5 and point("iris/9", f"user-{n}") < 0.5 for n in range(10_000))
    assert abs(both - 2500) < 4 * (10_000 * 0.25 * 0.75) ** 0.5


def test_what_an_alias_named_earlier_is_told_latest_first_and_without_what_was_rolled_back(registry: Registry) -> None:
    assert registry.earlier("iris", "production") == []
    registry.set_alias("iris", "production", 2)
    registry.set_alias("iris", "production", 3)
    assert registry.earlier("iris", "production") == [2, 1]
    registry.rollback("iris", "production")
    assert registry.earlier("iris", "production") == [1]
    assert registry.earlier("iris", "2") == []
