"""A rollout on one worker: who is diverted, whose turn it is, what is copied, and what is counted."""

import io
import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from predictq_broker import JSON, Code, Delivery, Outcome, Request, Result, Timings
from predictq_registry import CHALLENGER, CHAMPION, ExperimentFull, Rollout, Route, Segment, StoreError, point
from predictq_worker.batcher import Batcher, BatchLimits
from predictq_worker.cold_routes import Target
from predictq_worker.deployment import Deployment, State
from predictq_worker.rollouts import Rollouts
from predictq_worker.rollouts.feedback import Feedback
from predictq_worker.rollouts.npy import listed
from predictq_worker.rollouts.shadow import Shadow
from predictq_worker.rollouts.split import Split
from predictq_worker.rollouts.tally import Tally, kind_of
from predictq_worker.rollouts.turns import next_turn
from predictq_worker.work import SHADOW, Work

TARGET = Target("iris", "production")


def deployment(state: State = State.SERVING) -> Deployment:
    made = Deployment("iris", 2, Batcher(BatchLimits(1000, 1 << 20, 0.0)))
    made.state = state
    return made


def work(name: str, key: str = "", **more: Any) -> Work:
    request = Request("iris", b"[[1]]", id=name, key=key)
    return Work(Delivery(request, object(), 1, 0.0, time.monotonic(), float("inf")), **more)


def split(strategy: str = "ab", *, room: int = 1000, **plan: Any) -> Split:
    rollout = Rollout.model_validate({"strategy": strategy, "version": 2, "began": 7, **plan})
    made = Split(TARGET, 1, rollout, "worker-a", room)
    made.challenger = deployment()
    return made


def queued(made: Split) -> list[Work]:
    assert made.challenger is not None
    return made.challenger.batcher.clear()


def answer(asked: Work, body: object, *, route: str = "", status: Code = Code.OK, seconds: float = 0.01) -> Outcome:
    data = json.dumps(body).encode()
    timings = Timings(predicted=seconds)
    request_id = asked.delivery.request.id
    result = Result(request_id, status, data, "iris", 1, "", route, JSON, timings)
    return Outcome(asked.delivery, result)


# ── who is diverted ──


def test_a_key_goes_where_its_hash_says_and_all_others_are_the_champion_s() -> None:
    made = split(share=0.3)
    keys = [f"user-{n}" for n in range(200)]
    left = made.divert([work(f"r-{key}", key) for key in keys])
    chosen = {w.delivery.request.key for w in queued(made)}
    assert chosen == {key for key in keys if point("iris/7", key) < 0.3}
    assert {w.delivery.request.key for w in left} == set(keys) - chosen
    assert {w.route for w in left} == {CHAMPION}


def test_a_request_without_a_key_goes_by_its_id() -> None:
    made = split(share=0.5)
    made.divert([work(f"r{n}") for n in range(100)])
    assert {w.delivery.request.id for w in queued(made)} == {
        f"r{n}" for n in range(100) if point("iris/7", f"r{n}") < 0.5
    }


def test_what_has_cost_a_runner_or_has_failed_on_the_challenger_is_not_tried_on_it() -> None:
    made = split(share=1.0)
    suspects = [work("a", deaths=1), work("b", route=CHAMPION)]
    assert len(made.divert(suspects)) == 2
    assert queued(made) == []


@pytest.mark.parametrize("state", [State.LOADING, State.FAILED, State.DRAINING])
def test_a_challenger_that_does_not_serve_gets_nothing(state: State) -> None:
    made = split(share=1.0)
    made.challenger = deployment(state)
    assert len(made.divert([work("a")])) == 1


def test_a_canary_that_does_not_keep_up_leaves_the_champion_half_of_the_room() -> None:
    made = split("canary", share=0.2, room=10)
    asked = [work(f"r{n}") for n in range(100)]
    assert len(made.divert(asked)) == 95
    assert len(made.divert(asked)) == 100
    made.count(CHALLENGER, [answer(w, [0]) for w in asked[:2]])
    assert len(made.divert(asked)) == 98


def test_an_arm_of_an_experiment_is_kept_however_long_it_takes() -> None:
    made = split("ab", share=1.0, room=10)
    assert made.divert([work(f"r{n}") for n in range(100)]) == []


def test_on_a_rolling_rollout_a_worker_that_has_changed_over_answers_with_the_challenger_alone() -> None:
    assert len(split("rolling").divert([work("a")])) == 1
    assert len(split("rolling", moved=["worker-b"]).divert([work("a")])) == 1
    assert split("rolling", moved=["worker-a"]).divert([work("a")]) == []
    assert split("rolling", turn="worker-a").divert([work("a")]) == []


def test_what_waits_for_the_challenger_is_taken_back_and_is_the_champion_s() -> None:
    made = split(share=1.0)
    assert made.challenger is not None
    made.divert([work("a")])
    made.challenger.put([work("pinned")])
    assert [(w.delivery.request.id, w.route) for w in made.withdraw()] == [("a", CHAMPION)]
    assert [w.delivery.request.id for w in queued(made)] == ["pinned"]


# ── whose turn it is ──


def turn(rollout: Rollout, worker: str, *, serving: bool = False, waited: float = 0.0) -> Any:
    verdict = next_turn(rollout, worker, serving=serving, waited=waited, patience=60.0)
    return verdict and verdict.then


def test_workers_change_over_one_after_the_other_with_a_pause_between_them() -> None:
    rollout = Rollout(strategy="rolling", version=2, pause=10)
    taken = turn(rollout, "a")
    assert taken.turn == "a"
    assert turn(taken, "a") is None
    assert turn(taken, "b", waited=59) is None
    moved = turn(taken, "a", serving=True)
    assert (moved.moved, moved.turn) == (("a",), "")
    assert turn(moved, "b", waited=9) is None
    assert turn(moved, "b", waited=11).turn == "b"
    assert turn(moved, "a", waited=12) is None


def test_when_nobody_takes_the_next_turn_all_have_had_theirs() -> None:
    moved = Rollout(strategy="rolling", version=2, pause=10, moved=("a", "b"))
    assert turn(moved, "a", waited=12.9) is None
    assert turn(moved, "a", waited=13.1) == "promote"


def test_a_worker_that_vanishes_in_its_turn_loses_it() -> None:
    taken = Rollout(strategy="rolling", version=2, turn="gone")
    assert turn(taken, "b", waited=61).turn == ""


# ── the end of a batch ──


class Releases:
    """The catalog, as far as a rollout asks."""

    def __init__(self) -> None:
        self.challenger = deployment()
        self.routed: list[Work] = []
        self.dropped: list[Deployment] = []

    def hold(self, model: str, version: int) -> Deployment:
        assert (model, version) == ("iris", 2)
        return self.challenger

    def route(self, works: list[Work]) -> None:
        self.routed += works

    def drop(self, deployment: Deployment) -> None:
        self.dropped.append(deployment)

    def memory_of(self, _model: str, _version: int) -> int:
        return 0


def following(strategy: str = "ab", **plan: Any) -> tuple[Rollouts, Releases, list[Outcome]]:
    settled: list[Outcome] = []
    rollouts = Rollouts(object(), "worker-a", settled.extend, room=100, patience=1.0)  # type: ignore[arg-type]  # not asked here
    releases = Releases()
    rollout = Rollout.model_validate({"strategy": strategy, "version": 2, "began": 7, **plan})
    assert rollouts.follow(TARGET, Route(1, rollout), releases) == [("iris", 2)]
    return rollouts, releases, settled


@pytest.mark.parametrize("status", [Code.MODEL_ERROR, Code.INVALID_INPUT, Code.MODEL_UNAVAILABLE, Code.DEAD_LETTERED])
def test_what_fails_on_the_challenger_is_asked_of_the_champion(status: Code) -> None:
    rollouts, releases, settled = following(share=1.0)
    asked = work("a")
    rollouts.settle([answer(asked, "no", route=CHALLENGER, status=status), answer(work("b"), [0], route=CHALLENGER)])
    assert [outcome.result.id for outcome in settled] == ["b"]
    (again,) = releases.routed
    assert (again.delivery, again.route, again.alone) == (asked.delivery, CHAMPION, status is Code.DEAD_LETTERED)
    assert rollouts.divert(TARGET, releases.routed) == releases.routed


def test_what_fails_on_the_champion_or_too_late_is_answered_so() -> None:
    rollouts, releases, settled = following(share=1.0)
    rollouts.settle([answer(work("a"), "no", route=CHAMPION, status=Code.MODEL_ERROR)])
    rollouts.settle([answer(work("b"), "no", route=CHALLENGER, status=Code.DEADLINE_EXCEEDED)])
    assert [outcome.result.id for outcome in settled] == ["a", "b"]
    assert releases.routed == []


def test_what_comes_of_a_copy_is_never_settled_not_even_when_the_shadow_is_over() -> None:
    rollouts, releases, settled = following("shadow", mirror=1.0)
    rollouts.settle([answer(work("a"), [0], route=SHADOW)])
    rollouts.follow(TARGET, Route(1), releases)
    rollouts.settle([answer(work("b"), [0], route=SHADOW)])
    assert settled == []
    assert releases.dropped == [releases.challenger]


def test_without_a_rollout_everything_passes_as_it_is() -> None:
    settled: list[Outcome] = []
    rollouts = Rollouts(object(), "worker-a", settled.extend, room=100, patience=1.0)  # type: ignore[arg-type]  # not asked here
    works, outcomes = [work("a")], [answer(work("a"), [0])]
    assert rollouts.divert(TARGET, works) is works
    rollouts.settle(outcomes)
    assert settled == outcomes


def test_a_challenger_that_was_stopped_is_not_kept() -> None:
    rollouts, releases, _ = following(share=1.0)
    assert rollouts.follow(TARGET, Route(1), releases) == []


# ── copies ──


def run_copies(challenger: Deployment, shadow: Shadow, body: object, *, status: Code = Code.OK) -> int:
    """Let the challenger answer all copies; returns how many there were."""
    count = 0
    while (batch := challenger.batcher.take(0)) and batch.works:
        assert all(w.route == SHADOW and w.delivery.tag is None for w in batch.works)
        shadow.take([answer(w, body, route=SHADOW, status=status) for w in batch.works])
        count += len(batch.works)
    return count


def test_copies_are_compared_with_the_champion_by_id() -> None:
    shadow, challenger = Shadow(), deployment()
    shadow.copy([answer(work("same"), [1]), answer(work("other"), [3])], challenger)
    assert run_copies(challenger, shadow, [1]) == 2
    found = shadow.comparison()
    assert (found.compared, found.differing, found.distance) == (2, 1, 1.0)
    assert [(pair.id, pair.champion, pair.challenger) for pair in found.worst] == [("other", "[3]", "[1]")]
    assert found.labels == {"1\t1": 1, "3\t1": 1}


def test_numbers_are_compared_by_how_far_they_are_apart_and_the_farthest_are_kept() -> None:
    shadow, challenger = Shadow(), deployment()
    shadow.copy([answer(work(f"r{n}"), [float(n)]) for n in range(30)], challenger)
    run_copies(challenger, shadow, [0.0])
    found = shadow.comparison()
    assert [pair.id for pair in found.worst] == [f"r{n}" for n in range(29, 9, -1)]
    assert found.points[5] == (5.0, 0.0)


def test_more_copies_than_the_budget_allows_are_not_made() -> None:
    shadow, challenger = Shadow(), deployment()
    shadow.copy([answer(work(f"r{n}"), [1]) for n in range(300)], challenger)
    assert run_copies(challenger, shadow, [1]) == 256
    assert shadow.comparison().dropped == 44
    shadow.copy([answer(work("later"), [1])], challenger)
    assert run_copies(challenger, shadow, [1]) == 1


def large(name: str) -> Outcome:
    """The answer to a request of 3 MB."""
    asked = work(name)
    request = asked.delivery.request._replace(body=b" " * (3 << 20))
    return answer(Work(asked.delivery._replace(request=request)), [1])


def test_copies_may_weigh_so_much_together_until_they_have_run() -> None:
    shadow, challenger = Shadow(), deployment()
    for name in "ab":
        shadow.copy([large(name)], challenger)
    assert run_copies(challenger, shadow, [1]) == 1
    shadow.copy([large("c")], challenger)
    assert run_copies(challenger, shadow, [1]) == 1


def test_copies_that_were_forgotten_with_a_release_give_way_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    shadow, lost, challenger = Shadow(), deployment(), deployment()
    shadow.copy([large("a")], lost)
    lost.batcher.clear()
    shadow.copy([large("b")], challenger)
    assert run_copies(challenger, shadow, [1]) == 0
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + 61)
    shadow.copy([large("c")], challenger)
    assert run_copies(challenger, shadow, [1]) == 1


def test_a_copy_runs_when_there_is_nothing_else_and_is_forgotten_with_its_release() -> None:
    shadow, challenger = Shadow(), deployment()
    shadow.copy([answer(work("copy"), [1])], challenger)
    challenger.put([work("asked")])
    batch = challenger.batcher.take(0)
    assert batch is not None
    assert [w.delivery.request.id for w in batch.works] == ["asked"]
    assert challenger.batcher.clear() == []
    assert challenger.batcher.take(0) is None


def test_a_copy_that_fails_is_counted_against_the_challenger_and_one_that_is_late_is_not() -> None:
    shadow, challenger = Shadow(), deployment()
    for status in (Code.MODEL_ERROR, Code.DEADLINE_EXCEEDED):
        shadow.copy([answer(work("a"), [1])], challenger)
        run_copies(challenger, shadow, "no", status=status)
    assert (shadow.comparison().failed, shadow.comparison().dropped) == (1, 1)


@pytest.mark.parametrize("array", [np.arange(6.0), np.arange(6.0).reshape(3, 2), np.arange(4), np.array([True])])
def test_arrays_of_numbers_are_read_without_numpy(array: Any) -> None:
    file = io.BytesIO()
    np.save(file, array)
    assert listed(file.getvalue()) == array.tolist()


def test_an_array_that_is_no_numbers_stays_what_it_is() -> None:
    file = io.BytesIO()
    np.save(file, np.array(["a", "b"]))
    assert listed(file.getvalue()) == file.getvalue()
    assert listed(b"") == b""


# ── what is counted ──


def test_a_batch_is_counted_once_and_each_of_its_answers_once() -> None:
    tally = Tally("worker-a")
    fine = [answer(work(f"r{n}"), [n % 2], seconds=0.004) for n in range(6)]
    tally.count(CHALLENGER, [*fine, answer(work("x"), "no", status=Code.MODEL_ERROR)])
    tally.holds(CHALLENGER, 5)
    tally.holds(CHALLENGER, 3)
    arm = tally.report().challenger
    assert (arm.answers, arm.errors, sum(arm.batches.values()), arm.memory) == (7, 1, 1, 5)
    assert arm.outputs == {"label 0": 3, "label 1": 3}


@pytest.mark.parametrize(
    ("output", "kind"),
    [("setosa", "'setosa'"), (2, "label 2"), (True, "label True"), ([0.1, 0.7, 0.2], "largest: 1"), (0.0, "0"),
     (float("nan"), "not a number"), (1.0, "10000"), (2.0, "10032"), (-2.0, "-10032"), ({"a": 1}, "")],
)  # fmt: skip
def test_outputs_are_told_apart_by_label_or_by_size(output: object, kind: str) -> None:
    assert kind_of(output) == kind


# ── outcomes that are reported ──


class Records:
    """A registry whose newest experiment began with revision 7, and that can be away or full."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.error: Exception | None = None

    def newest_experiment(self, _model: str) -> int:
        return 7

    def record(self, model: str, began: int, worker: str, segment: Segment) -> None:
        assert (model, began, worker) == ("iris", 7, "worker-a")
        if self.error is not None:
            raise self.error
        self.segments.append(segment)


def reporting(*bodies: bytes) -> Sequence[Work]:
    made = [Request("iris", body, id=f"f{n}", ref="feedback") for n, body in enumerate(bodies)]
    return [Work(Delivery(request, object(), 1, 0.0, time.monotonic(), float("inf"))) for request in made]


def test_an_outcome_is_answered_once_it_is_stored_and_waits_while_the_store_is_away() -> None:
    records, settled = Records(), list[Outcome]()
    feedback = Feedback(records, "worker-a", settled.extend)  # type: ignore[arg-type]  # all that it asks of it
    feedback.take(reporting(b'[{"id": "a", "value": 1}, {"id": "b", "value": 0.5}]'))
    records.error = StoreError("away")
    feedback.write()
    assert settled == []
    records.error = None
    feedback.write()
    assert records.segments == [Segment(outcomes={"a": 1.0, "b": 0.5})]
    assert [(outcome.result.status, outcome.result.body) for outcome in settled] == [(Code.OK, b"[true,true]")]
    records.error = ExperimentFull()
    feedback.take(reporting(b'[{"id": "c", "value": 1}]'))
    feedback.write()
    assert settled[-1].result.status is Code.TOO_LARGE


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"[[1]]", b'[{"id": "a"}]', b'[{"id": "", "value": 1}]', b'[{"id": "a", "value": "1"}]',
     b'[{"id": "a", "value": NaN}]'],
)  # fmt: skip
def test_what_is_no_report_is_refused_at_once_with_the_form_it_has(body: bytes) -> None:
    records, settled = Records(), list[Outcome]()
    feedback = Feedback(records, "worker-a", settled.extend)  # type: ignore[arg-type]  # all that it asks of it
    feedback.take(reporting(body))
    feedback.write()
    assert [outcome.result.status for outcome in settled] == [Code.INVALID_INPUT]
    assert b"outcomes are reported as" in settled[0].result.body
    assert records.segments == []


def test_who_was_shown_what_is_written_down_with_what_its_key_stands_for() -> None:
    records = Records()
    feedback = Feedback(records, "worker-a", lambda _: None)  # type: ignore[arg-type]  # all that it asks of it
    feedback.expose("iris", 7, CHALLENGER, [answer(work("a", "ann"), [0]), answer(work("b", "ann"), [0])])
    feedback.expose("iris", 7, CHALLENGER, [answer(work("c"), [0])])
    feedback.write()
    (segment,) = records.segments
    units = segment.exposed[CHALLENGER]
    assert units["a"] == units["b"] != "ann"
    assert units["c"] == ""
