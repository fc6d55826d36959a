"""MLServer with adaptive batching, over HTTP and gRPC: `python -m peers.mlserver prepare`, and `… start`.

Batches of up to 128 requests, gathered for at most 2 ms; the model runs in the server's own process, since for a
model this light handing a batch to a worker process costs more than predicting it.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import grpc
from load.place import kept, port, the_model
from load.tasks import Tasks

from peers.http_client import HttpAsker

NAME = "bench"
_CALLS = 1000
"""As many over one connection as `HttpAsker` has connections: a gRPC server cancels calls when it has not got round to
more than a thousand."""


class OverHttp(HttpAsker):
    """The Open Inference Protocol as JSON."""

    path = f"/v2/models/{NAME}/infer"

    def body(self, row: Any) -> Any:  # noqa: ANN401  as the base
        """One tensor of one row."""
        return {"inputs": [{"name": "rows", "shape": [1, len(row)], "datatype": "FP64", "data": row}]}

    def label(self, answer: Any) -> Any:  # noqa: ANN401  as the base
        """The first of the first output."""
        return answer["outputs"][0]["data"][0]


class OverGrpc(Tasks):
    """The Open Inference Protocol over one connection; beyond a thousand, requests wait in the client."""

    async def open(self) -> None:
        """Connect."""
        from mlserver.grpc import dataplane_pb2, dataplane_pb2_grpc

        self._messages: Any = dataplane_pb2
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{port() + 1}")
        self._turns = asyncio.Semaphore(_CALLS)
        self._infer = dataplane_pb2_grpc.GRPCInferenceServiceStub(self._channel).ModelInfer

    async def ask(self, row: Any) -> Any:  # noqa: ANN401  as the base
        """One row, one label."""
        asked = self._messages.ModelInferRequest
        tensor = asked.InferInputTensor(
            name="rows",
            datatype="FP64",
            shape=[1, len(row)],
            contents=self._messages.InferTensorContents(fp64_contents=row),
        )
        async with self._turns:
            answer = await self._infer(asked(model_name=NAME, inputs=[tensor]))
        return answer.outputs[0].contents.int64_contents[0]

    async def close(self) -> None:
        """Disconnect."""
        await super().close()
        await self._channel.close()


def prepare() -> None:
    """The model by joblib, and the settings of the server and of the model."""
    import joblib

    place = Path(kept())
    joblib.dump(the_model(), place / "model.joblib")
    settings = {"host": "127.0.0.1", "parallel_workers": 0, "debug": False, "metrics_endpoint": None}
    (place / "settings.json").write_text(json.dumps(settings))
    model = {
        "name": NAME,
        "implementation": "mlserver_sklearn.SKLearnModel",
        "max_batch_size": 128,
        "max_batch_time": 0.002,
        "parameters": {"uri": "./model.joblib"},
    }
    (place / "model-settings.json").write_text(json.dumps(model))


def start() -> None:
    """Become `mlserver start`, on the ports of this turn."""
    ports = {"HTTP": port(), "GRPC": port() + 1, "METRICS": port() + 2}
    os.environ.update({f"MLSERVER_{name}_PORT": str(number) for name, number in ports.items()})
    program = str(Path(sys.executable).with_name("mlserver"))
    os.execv(program, [program, "start", kept()])  # noqa: S606  our own


if __name__ == "__main__":
    {"prepare": prepare, "start": start}[sys.argv[1]]()
