"""Ray Serve with its request batching: `python -m peers.ray_serve`. At most 512 together, gathered for at most 2 ms."""

import os
import signal
from typing import Any

from load.models import predict
from load.place import port, the_model
from ray import serve
from starlette.requests import Request

from peers.http_client import HttpAsker


@serve.deployment(num_replicas=1, max_ongoing_requests=100_000)
class Bench:
    """One replica."""

    def __init__(self) -> None:
        self._model = the_model()

    @serve.batch(max_batch_size=512, batch_wait_timeout_s=0.002)
    async def predict(self, rows: list[Any]) -> list[int]:
        """All rows at once."""
        return predict(self._model, rows)

    async def __call__(self, request: Request) -> int:
        """One row."""
        return await self.predict((await request.json())["row"])


class Asker(HttpAsker):
    """JSON; a request of one row."""

    path = "/"


def main() -> None:
    """Serve until told to end."""
    import ray

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(address="local", include_dashboard=False, num_cpus=2, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": port()})
    serve.run(Bench.bind())
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    ray.shutdown()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
