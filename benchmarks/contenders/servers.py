"""Model servers, asked over the network and answered at once: nothing is queued, so nothing survives anything."""

from contenders.contender import Contender, Promises

__all__ = ["SERVERS"]

_SYNCHRONOUS = Promises("nothing is stored", "no", "none", "yes")
_NUMBERS = frozenset({"logistic", "forest", "boosting"})


def _server(name: str, environment: str, client: str, *worker: str, prepare: tuple[str, ...] = ()) -> Contender:
    return Contender(
        name, environment, f"peers.{client}", worker, _SYNCHRONOUS, server="none", prepare=prepare, models=_NUMBERS
    )


_MLSERVER = ("python", "-m", "peers.mlserver", "start")
_WRITES = ("python", "-m", "peers.mlserver", "prepare")
SERVERS = (
    _server("MLServer HTTP", "mlserver", "mlserver:OverHttp", *_MLSERVER, prepare=_WRITES),
    _server("MLServer gRPC", "mlserver", "mlserver:OverGrpc", *_MLSERVER, prepare=_WRITES),
    _server(
        "BentoML",
        "bentoml",
        "bentoml:Asker",
        *("bentoml", "serve", "peers.bentoml:Bench", "--host", "127.0.0.1", "--port", "{port}"),
    ),
    _server("LitServe", "litserve", "litserve:Asker", "python", "-m", "peers.litserve"),
    _server("Ray Serve", "ray", "ray_serve:Asker", "python", "-m", "peers.ray_serve")._replace(
        settings={"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}
    ),
)
