"""One request on its way, from the caller who asked to the answer."""

import math
import time
from enum import Enum, auto
from typing import Final

from predictq.asking import Question
from predictq.prediction import Answer
from predictq_broker import Request

__all__ = ["ACCEPTED", "ASKED", "DONE", "FIELDS", "Call", "Event", "Stage", "tell"]

FIELDS: Final = (
    *("body", "chosen", "early", "expires", "form", "give_up", "id"),
    *("sent", "slot", "stage", "trouble", "twin"),
)
"""The slots that each kind of call has. The base has none, or no call could be a future of asyncio."""


class Stage(Enum):
    """How far a call has come. It only moves forward, and only `Pending` moves it."""

    ASKED = auto()
    ACCEPTED = auto()
    DONE = auto()


ASKED: Final = Stage.ASKED
ACCEPTED: Final = Stage.ACCEPTED
DONE: Final = Stage.DONE
"""The same for what is done for each call: to find a member in its class takes six times as long."""


class Call:
    """A request and what is known of it. Subclasses say how whoever waits for it is told.

    Attributes:
        form: What is asked, without id and rows: many calls have one form.
        body: The rows.
        id: The request's id.
        chosen: Whether the caller chose the id: then an earlier question may have had it.
        expires: Its deadline on the monotonic clock; `inf` if it has none.
        slot: Those that are looked at together when its deadline has passed; None if it has none.
        give_up: When to stop offering it to a broker that cannot be reached, on the monotonic clock.
        stage: How far it has come.
        sent: Whether the broker may have it.
        trouble: What went wrong when it was last offered to the broker.
        early: An answer under a chosen id that came before the broker said that it is ours.
        twin: Another call with the same id and the same question, told together with this one.
    """

    __slots__ = tuple[str, ...]()

    wants_answer = True
    """Whether the result comes back to this client."""
    wants_verdict = False
    """Whether somebody waits to hear that the broker accepted it."""
    reads = False
    """Whether the thread that waits for its answer looks for it in the inbox."""

    def __init__(self, question: Question, retry_for: float) -> None:
        now = time.monotonic()
        self.form, self.body, self.id, self.chosen = question
        ttl = self.form.ttl
        self.expires = math.inf if ttl is None else now + ttl
        self.slot: set[Call] | None = None
        self.give_up = now + retry_for
        self.stage: Stage = ASKED
        self.sent = False
        self.trouble = ""
        self.early: Answer | None = None
        self.twin: Call | None = None

    @property
    def request(self) -> Request:
        """What is asked, whole."""
        return self.form._replace(body=self.body, id=self.id)

    @property
    def is_accepted(self) -> bool:
        """Whether the broker said that it has it."""
        return self.stage is ACCEPTED

    def accepted(self) -> None:
        """The broker has it. Told only to those who want the verdict."""

    def finished(self, answer: Answer) -> None:
        """It came to its one end."""


Event = tuple[Call, Answer | None]
"""A call that came to its end; or, with None, one that was accepted."""


def tell(events: list[Event]) -> None:
    """Tell each call what became of it."""
    for call, answer in events:
        if answer is None:
            call.accepted()
        else:
            call.finished(answer)
