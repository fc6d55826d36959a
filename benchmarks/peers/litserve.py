"""LitServe with batching: `python -m peers.litserve`. Batches of at most 512, gathered for at most 2 ms."""

from typing import Any

import litserve
from fastapi import Request
from load.models import predict
from load.place import port, the_model

from peers.http_client import HttpAsker


class Bench(litserve.LitAPI):
    """The model."""

    def setup(self, device: Any) -> None:  # noqa: ANN401, ARG002  its interface
        """Once in the worker process."""
        self._model = the_model()

    def decode_request(self, request: Request) -> Any:  # noqa: ANN401  JSON
        """The row; by then the server has parsed the body, and only says that it wants one by this type."""
        return request["row"]  # type: ignore[index]  it is the body

    def batch(self, inputs: Any) -> Any:  # noqa: ANN401  rows of any model
        """As they are."""
        return inputs

    def predict(self, x: Any) -> Any:  # noqa: ANN401  as `batch`
        """All rows at once."""
        return predict(self._model, x)

    def unbatch(self, output: Any) -> Any:  # noqa: ANN401  labels
        """One for each."""
        return output

    def encode_response(self, output: Any) -> Any:  # noqa: ANN401  a label
        """JSON."""
        return {"label": output}


class Asker(HttpAsker):
    """JSON; a request of one row."""

    def label(self, answer: Any) -> Any:  # noqa: ANN401  as the base
        """By name."""
        return answer["label"]


if __name__ == "__main__":
    api = Bench(max_batch_size=512, batch_timeout=0.002)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, timeout=120, fast_queue=True)
    server.run(host="127.0.0.1", port=port(), num_api_servers=1, generate_client_file=False, log_level="warning")
