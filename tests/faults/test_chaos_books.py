"""The books judge as they say: each figure counts what it names, for a zero is worth no more than its counter."""

from pathlib import Path

import pytest
from faults.chaos.auditor import Audit, audit
from faults.chaos.books import Books
from faults.chaos.journal import Journal, outputs_text
from models import Iris

RELEASES = {1: "good", 2: "other", 3: "bad"}


class Story:
    """Journals written by hand."""

    def __init__(self, directory: Path, trained: Iris) -> None:
        self.producer = Journal(directory / "producer.journal")
        self.subscriber = Journal(directory / "subscriber.journal")
        self.trained = trained
        self.right = outputs_text(trained.good_answers[5:7])
        self.books = Books()
        self.books.follow(directory / "subscriber.journal")
        self.books.follow(directory / "producer.journal")

    def asked(self, id_: str, verdict: str = "accepted") -> None:
        self.producer.asked([(id_, "5:2")])
        if verdict:
            self.producer.verdict([id_], verdict)

    def told(self, abandoned: tuple[str, ...] = ()) -> Audit:
        self.books.poll()
        return audit(self.books, self.trained, RELEASES, abandoned)


@pytest.fixture
def story(tmp_path: Path, trained: Iris) -> Story:
    return Story(tmp_path, trained)


def test_a_request_with_its_answer_is_no_failure(story: Story) -> None:
    story.asked("port.1-0")
    story.producer.answer("port.1-0", "ok", 1, story.right)
    told = story.told()
    assert (told.attempted, told.accepted, told.answered, told.failures(one_answer=True)) == (1, 1, 1, [])


def test_accepted_and_never_answered_is_lost_unless_who_asked_was_killed(story: Story) -> None:
    story.asked("port.1-0")
    assert story.told().failures(one_answer=False) == ["1 lost"]
    told = story.told(abandoned=("port.1",))
    assert (told.lost, told.abandoned, told.failures(one_answer=True)) == (0, 1, [])


def test_what_nobody_was_told_of_is_unknown_and_not_lost(story: Story) -> None:
    story.asked("bulk.1-0", "unknown")
    story.asked("bulk.1-1", "")
    told = story.told()
    assert (told.unknown, told.lost, told.recovered) == (2, 0, 0)


def test_unknown_and_answered_all_the_same_is_recovered(story: Story) -> None:
    story.asked("bulk.1-0", "unknown")
    story.producer.answer("bulk.1-0", "ok", 1, story.right)
    told = story.told()
    assert (told.unknown, told.recovered, told.lost) == (0, 1, 0)


@pytest.mark.parametrize(
    ("asker", "figure"),
    [("port.1", "doubled_at_port"), ("bulk.1", "doubled_at_client"), ("durable.2", "doubled_in_queue")],
)
def test_a_second_answer_is_doubled_where_it_came(story: Story, asker: str, figure: str) -> None:
    story.asked(f"{asker}-0")
    for _ in range(2):
        story.producer.answer(f"{asker}-0", "ok", 1, story.right)
    told = story.told()
    assert {name: count for name, count in told._asdict().items() if name.startswith("doubled") and count} == {
        figure: 1
    }
    assert bool(told.failures(one_answer=False)) == (figure == "doubled_at_client")
    assert told.failures(one_answer=True)


def test_a_result_given_again_after_a_subscriber_died_is_no_second_answer(story: Story) -> None:
    story.asked("durable.1-0")
    story.subscriber.answer("durable.1-0", "ok", 1, story.right)
    story.subscriber.answer("durable.1-0", "ok", 1, story.right, attempt=2)
    told = story.told()
    assert (told.redelivered, told.doubled_in_queue) == (1, 0)


@pytest.mark.parametrize(("version", "first"), [(1, 6), (2, 5), (3, 5), (9, 5)])
def test_another_row_s_answer_or_another_release_s_is_wrong(story: Story, version: int, first: int) -> None:
    story.asked("port.1-0")
    outputs = outputs_text([*story.trained.good_answers[first : first + 1], -1])
    story.producer.answer("port.1-0", "ok", version, outputs)
    assert story.told().failures(one_answer=True) == ["1 wrong"]


def test_a_harmful_request_that_is_answered_as_if_it_were_none_is_wrong(story: Story) -> None:
    story.producer.asked([("poison-1", "poison")])
    story.producer.answer("poison-1", "ok", 1, "0")
    assert story.told().wrong == 1


def test_an_answer_to_what_nobody_asked_is_unexpected(story: Story) -> None:
    story.subscriber.answer("durable.7-7", "ok", 1, "0")
    assert story.told().failures(one_answer=False) == ["1 unexpected"]


def test_an_error_is_an_answer_and_counted_by_its_code(story: Story) -> None:
    story.asked("port.1-0")
    story.producer.answer("port.1-0", "dead_lettered", 1, "")
    told = story.told()
    assert (told.codes, told.buried, told.failures(one_answer=True)) == ({"dead_lettered": 1}, 1, [])
