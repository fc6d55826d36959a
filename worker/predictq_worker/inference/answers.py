"""What one request of a batch ends with, and how much it may weigh."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

from predictq_broker.messages import Code

__all__ = ["Answer", "Failed", "Limits", "Ok", "Predicted"]


class Limits(NamedTuple):
    """How much one request may bring and take away.

    Attributes:
        max_body_bytes: Bytes of a request's body, checked before it is parsed.
        max_rows: Rows of a request's body, checked before they are parsed where the format tells them.
        max_answer_bytes: Bytes of an answer's body.
    """

    max_body_bytes: int = 16 << 20
    max_rows: int = 100_000
    max_answer_bytes: int = 16 << 20


class Ok(NamedTuple):
    """The outputs for one request, encoded."""

    body: bytes


class Failed(NamedTuple):
    """Why one request has no outputs: a code, and a sentence that says what to do."""

    code: Code
    message: str


Answer = Ok | Failed


class Predicted(NamedTuple):
    """What became of each body.

    Attributes:
        outputs: For each body, in order, its outputs, encoded; empty if it failed.
        failed: Why some have none, by their places.
        seconds: How long the runner took for all of them.
    """

    outputs: list[bytes]
    failed: Mapping[int, Failed]
    seconds: float

    @classmethod
    def of(cls, answers: Sequence[Answer], seconds: float) -> Self:
        """The same from one answer a body."""
        failed = {place: answer for place, answer in enumerate(answers) if isinstance(answer, Failed)}
        return cls([answer.body if isinstance(answer, Ok) else b"" for answer in answers], failed, seconds)

    @property
    def answers(self) -> list[Answer]:
        """One answer a body, in order."""
        return [self.failed.get(place) or Ok(body) for place, body in enumerate(self.outputs)]
