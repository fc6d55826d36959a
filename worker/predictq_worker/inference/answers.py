"""What one request of a batch ends with, and how much it may weigh."""

from typing import NamedTuple

from predictq_broker.messages import Code

__all__ = ["Answer", "Failed", "Limits", "Ok"]


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
