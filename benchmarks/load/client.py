"""What the load generator needs of a contender: send many, receive what has come."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

__all__ = ["Answer", "Asked", "Client", "Failed"]

Asked = tuple[int, Any]
"""A request's number and its row."""
Answer = tuple[int, Any]
"""A request's number and the label that came back, or `Failed`."""


class Failed(NamedTuple):
    """What came instead of an answer."""

    why: str


class Client(Protocol):
    """One contender's way to ask, made in the process that asks and used in one event loop.

    A library that blocks may block the loop: nothing else runs in it.
    """

    async def open(self) -> None:
        """Connect."""
        ...

    async def send(self, asked: Sequence[Asked]) -> None:
        """Put these requests on their way, one request for each row."""
        ...

    async def receive(self, wait: float) -> Sequence[Answer]:
        """Answers that have come, each once; waits for at most `wait` seconds while there is none."""
        ...

    async def close(self) -> None:
        """Disconnect; what is on its way is not wanted any more."""
        ...
