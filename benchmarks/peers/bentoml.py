"""BentoML with adaptive batching: `bentoml serve peers.bentoml:Bench`."""

from typing import Any

import bentoml
from load.models import predict
from load.place import the_model

from peers.http_client import HttpAsker


@bentoml.service(workers=1, traffic={"timeout": 120, "max_concurrency": 100_000})
class Bench:
    """One worker process; batches of at most 512, and a second before a request is given up."""

    def __init__(self) -> None:
        self._model = the_model()

    @bentoml.api(batchable=True, max_batch_size=512, max_latency_ms=1000)
    def predict(self, rows: list[Any]) -> list[int]:
        """All rows at once."""
        return predict(self._model, rows)


class Asker(HttpAsker):
    """JSON; a request of one row."""

    def body(self, row: Any) -> Any:  # noqa: ANN401  as the base
        """A list of one."""
        return {"rows": [row]}

    def label(self, answer: Any) -> Any:  # noqa: ANN401  as the base
        """The only one."""
        return answer[0]
