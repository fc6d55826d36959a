"""Requests as columns: the same requests, in the same order, however they are taken apart."""

import pytest

from predictq_broker import InvalidName, Request, is_name
from predictq_broker.alike import Alike, by_head, checked_model, in_runs
from predictq_broker.names import check_names
from predictq_broker.wire import plain_names

FORM = Request("iris", b"", reply_to="inbox.bundle.1", ttl=9.0)
HEAD = "0" * 29


def made(count: int, form: Request = FORM, head: str = HEAD) -> list[Request]:
    return [form._replace(id=f"{head}{n:03x}", body=b"[[%d]]" % n) for n in range(count)]


def columns(requests: list[Request]) -> Alike:
    return Alike(requests[0], [request.id for request in requests], [request.body for request in requests])


def test_columns_read_as_the_requests_they_stand_for() -> None:
    requests = made(5)
    alike = columns(requests)
    assert list(alike) == requests
    assert alike[-1] == requests[-1]
    assert list(alike[1:3]) == requests[1:3]
    assert len(alike[3:]) == 2
    assert alike.head == HEAD
    assert alike.tails == "000 001 002 003 004"


def test_runs_are_parted_where_anything_but_id_and_body_differs_and_keep_their_order() -> None:
    others = [FORM._replace(ttl=8.0), FORM._replace(reply_to=""), FORM._replace(key="a"), FORM._replace(rows=2)]
    requests = [request for other in others for form in (FORM, other) for request in made(3, form)]
    runs = in_runs(requests)
    assert [len(run) for run in runs] == [3] * 8
    assert [request for run in runs for request in run] == requests
    assert [request for run in in_runs(columns(made(4))) for request in run] == made(4)
    assert in_runs(requests[:0]) == in_runs(columns(made(4))[4:]) == []


def test_runs_of_one_head_are_no_longer_than_is_allowed() -> None:
    requests = made(5) + made(3, head="1" * 29) + made(1)
    parts = list(by_head(in_runs(requests), 2))
    assert [len(part) for part in parts] == [2, 2, 1, 2, 1, 1]
    assert [request for part in parts for request in part] == requests


def test_requests_for_several_models_are_refused_together() -> None:
    assert checked_model(in_runs(made(3))) == "iris"
    with pytest.raises(ValueError, match="not for iris, wine"):
        checked_model(in_runs([*made(1), *made(1, FORM._replace(model="wine"))]))


@pytest.mark.parametrize("wrong", [{"model": "a b"}, {"reply_to": "ä"}, {"id": ""}, {"id": "x" * 129}])
def test_one_wrong_name_among_many_is_found(wrong: dict[str, str]) -> None:
    with pytest.raises(InvalidName, match="is not a name"):
        checked_model(in_runs([request._replace(**wrong) for request in made(2)]))


@pytest.mark.parametrize("text", ["a", "A.b_c-9", "x" * 128, "", "x" * 129, "a b", "a\n", "ä", "\udc80", "a/b", "٣"])
def test_names_are_judged_together_as_they_are_one_by_one(text: str) -> None:
    if is_name(text):
        check_names("id", ["good", text, "good"])
    else:
        with pytest.raises(InvalidName):
            check_names("id", ["good", text, "good"])
    assert bool(plain_names(f"good {text} good".encode(errors="replace"))) == all(map(is_name, text.split(" ")))
    assert bool(plain_names(text.encode(errors="replace"))) == all(map(is_name, text.split(" ")))
