"""No queue at all: `model.predict` in the process that asks, on batches of as many rows as are asked."""

from collections.abc import Iterator, Sequence
from typing import Any

from load.client import Answer, Asked
from load.models import predict
from load.place import the_model

_BATCH = 512


class InProcess:
    """What has been sent is predicted when it is received, at most 512 rows at once."""

    async def open(self) -> None:
        """Train."""
        self._model = the_model()
        self._asked: list[Asked] = []

    async def send(self, asked: Sequence[Asked]) -> None:
        """Keep them."""
        self._asked.extend(asked)

    async def receive(self, wait: float) -> Sequence[Answer]:  # noqa: ARG002  it never waits
        """Predict the oldest."""
        part, self._asked = self._asked[:_BATCH], self._asked[_BATCH:]
        labels = predict(self._model, [row for _, row in part]) if part else []
        return [(number, label) for (number, _), label in zip(part, labels, strict=True)]

    def map(self, rows: Any, chunk: int) -> Iterator[Any]:  # noqa: ANN401  NumPy
        """Chunk by chunk."""
        return (self._model.predict(rows[place : place + chunk]) for place in range(0, len(rows), chunk))

    async def bulk(self, **told: Any) -> Any:  # noqa: ANN401  JSON
        """See `load.bulk`."""
        from load.bulk import measure

        return measure(self.map, **told)

    async def close(self) -> None:
        """Nothing is open."""
