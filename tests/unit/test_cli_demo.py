"""The parts of the demo that count and judge."""

from predictq_cli.demo.batches import Bucket, read_batches
from predictq_cli.demo.phase import Figures, Phase, quantile
from predictq_cli.demo.releases import flowers, train_better, train_weak
from predictq_cli.demo.report import Report


def phase(name: str, *answers: tuple[int, bool], failed: int = 0) -> Figures:
    counted = Phase(name)
    for version, right in answers:
        counted.answered(0.001, version, right=right)
    for _ in range(failed):
        counted.failed("model_error: no")
    return counted.figures(ended=True)


def report(swap: float | None = 0.5, **phases: Figures) -> Report:
    usual = {"alone": phase("alone", (1, True)), "steady": phase("steady", (1, True), (2, True))}
    return Report("sqlite", 8, {**usual, **phases}, {"1": 0.8, "2": 0.9}, [Bucket(0.0, 1.0, 3)], swap)


def test_a_quantile_is_the_value_that_such_a_share_does_not_exceed() -> None:
    ordered = [float(number) for number in range(1, 101)]
    assert (quantile(ordered, 0.50), quantile(ordered, 0.99), quantile(ordered, 1.0)) == (50.0, 99.0, 100.0)
    assert (quantile([7.0], 0.5), quantile([], 0.5)) == (7.0, 0.0)


def test_a_phase_counts_each_answer_by_the_version_that_gave_it() -> None:
    figures = phase("steady", (1, True), (2, True), (2, False), failed=1)
    assert (figures["answered"], figures["wrong"], figures["failed"]) == (3, 1, 1)
    assert figures["versions"] == {"1": 1, "2": 2}
    assert figures["p50"] == 1.0


def test_a_demo_is_a_success_only_if_all_was_right_and_the_swap_was_seen() -> None:
    assert report().ok
    assert not report(after=phase("after", (2, False))).ok
    assert not report(after=phase("after", failed=1)).ok
    assert not report(swap=None).ok
    assert "version 2" in report(swap=None).complaint
    assert report(after=phase("after", failed=1)).complaint == "model_error: no"


def test_the_report_counts_all_phases() -> None:
    document = report(after=phase("after", (2, True), failed=1)).document()
    assert (document["requests"], document["failed"], document["by_version"]) == (5, 1, {"1": 2, "2": 2})


def test_batch_sizes_are_what_two_scrapes_differ_by_all_releases_together() -> None:
    line = 'predictq_batch_rows_bucket{{le="{}",model="m",version="{}"}} {}\n'
    before = line.format("1.0", 1, 5.0) + line.format("2.0", 1, 5.0) + line.format("+Inf", 1, 5.0)
    after = line.format("1.0", 1, 6.0) + line.format("2.0", 1, 9.0) + line.format("+Inf", 1, 9.0)
    after += line.format("1.0", 2, 0.0) + line.format("2.0", 2, 2.0) + line.format("+Inf", 2, 2.0)
    assert read_batches(before.encode(), after.encode()) == [Bucket(0.0, 1.0, 1), Bucket(1.0, 2.0, 5)]
    assert read_batches(b"", b"") == []


def test_the_releases_differ_in_answers_and_the_second_is_better() -> None:
    data = flowers()
    weak, better = train_weak(data), train_better(data)
    assert weak.accuracy < better.accuracy
    assert sum(one != other for one, other in zip(weak.predicts, better.predicts, strict=True)) > 10
