"""Requests that are alike, kept column by column: what they have in common is looked at, sent and stored once."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final, overload

from predictq_broker.messages import Request
from predictq_broker.names import check_name, check_names

__all__ = ["TAIL", "Alike", "by_head", "checked_model", "in_runs"]

TAIL: Final = 3
"""Characters of an id by which those that a client makes together differ."""


class Alike(Sequence[Request]):
    """Requests that have all in common but their ids and bodies. They are made when somebody looks at one.

    Attributes:
        form: What they have in common; its own id and body mean nothing.
        ids: Of each.
        bodies: Of each.
    """

    __slots__ = ("bodies", "form", "ids")

    def __init__(self, form: Request, ids: Sequence[str], bodies: Sequence[bytes]) -> None:
        self.form = form
        self.ids = ids
        self.bodies = bodies

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, place: int) -> Request: ...
    @overload
    def __getitem__(self, place: slice) -> "Alike": ...
    def __getitem__(self, place: int | slice) -> "Request | Alike":
        if isinstance(place, slice):
            return Alike(self.form, self.ids[place], self.bodies[place])
        return self.form._replace(id=self.ids[place], body=self.bodies[place])

    @property
    def head(self) -> str:
        """What the first id begins with."""
        return self.ids[0][:-TAIL]

    @property
    def tails(self) -> str:
        """What the ids end with, with spaces between."""
        return " ".join([id_[-TAIL:] for id_ in self.ids])


def in_runs(requests: Sequence[Request]) -> list[Alike]:
    """The requests in their order, those together that come one after another and are alike."""
    if isinstance(requests, Alike):
        return [requests] if requests else []
    runs = [list(run) for _, run in groupby(requests, _common)]
    return [Alike(run[0], [request[2] for request in run], [request[1] for request in run]) for run in runs]


_common: Final = itemgetter(*(n for n, name in enumerate(Request._fields) if name not in {"id", "body"}))


def by_head(runs: Sequence[Alike], most: int) -> Iterator[Alike]:
    """The same in runs of `most` at most whose ids have one head."""
    for run in runs:
        end = 0
        if len(run) == 1:  # alone, and in a hurry
            yield run
            continue
        for _, heads in groupby([id_[:-TAIL] for id_ in run.ids]):
            begin, end = end, end + len(list(heads))
            for start in range(begin, end, most):
                yield run[start : min(start + most, end)]


def checked_model(runs: Sequence[Alike]) -> str:
    """The model that all of them are for.

    Raises:
        InvalidName: if a model, id or reply-to is no name.
        ValueError: if they are for several models.
    """
    models = {run.form.model for run in runs}
    if len(models) > 1:
        raise ValueError(f"one send is for one model, not for {', '.join(sorted(models))}: send once for each")
    for run in runs:
        if run.form.reply_to:
            check_name("reply-to", run.form.reply_to)
        check_names("request id", run.ids)
    return check_name("model", models.pop())
