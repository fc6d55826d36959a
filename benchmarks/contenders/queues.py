"""Python's task queues, on a Redis without persistence, with results returned; `peers/` says how each is set up."""

from contenders.contender import Contender, Promises

__all__ = ["QUEUES"]

_BY_TIMEOUT = "fixed timeout"


def _queue(module: str, name: str, environment: str, promises: Promises, *worker: str, workers: int = 1) -> Contender:
    return Contender(name, environment, f"peers.{module}:Asker", worker, promises, workers=workers)


_CELERY = ("celery", "-A", "peers.{}", "worker", "--pool", "solo", "--loglevel", "WARNING")
_QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")
_SOLO = Promises("no", "yes", f"{_BY_TIMEOUT}, 1 h", "no")


def _celery(module: str, name: str) -> Contender:
    return _queue(module, name, "celery", _SOLO, *(part.format(module) for part in _CELERY), *_QUIET)


QUEUES = (
    _celery("celery", "Celery"),
    _celery("celery_batches", "celery-batches"),
    _queue(
        "dramatiq",
        "Dramatiq",
        "dramatiq",
        Promises("no", "yes", "60 s, by heartbeat", "no"),
        *("dramatiq", "peers.dramatiq", "--processes", "2", "--threads", "8"),
    ),
    _queue(
        "taskiq",
        "Taskiq",
        "taskiq",
        Promises("no", "yes", f"{_BY_TIMEOUT}, 10 min", "no"),
        *("taskiq", "worker", "peers.taskiq:broker", "--workers", "1", "--log-level", "WARNING"),
    ),
    _queue(
        "faststream",
        "FastStream request",
        "faststream",
        Promises("no", "no", "none", "no"),
        *("faststream", "run", "peers.faststream:app", "--log-level", "warning"),
    ),
    _queue(
        "faststream_batches",
        "FastStream batches",
        "faststream",
        Promises("no", "no", "none", "no"),
        *("faststream", "run", "peers.faststream_batches:app", "--log-level", "warning"),
    )._replace(by_hand=True),
    _queue(
        "huey",
        "Huey",
        "huey",
        Promises("no", "no", "none", "no"),
        *("python", "-m", "huey.bin.huey_consumer", "peers.huey.huey", "-k", "process", "-w", "2", "-q", "-n"),
    ),
    _queue(
        "rq",
        "RQ",
        "rq",
        Promises("no", "no: it is marked as failed", "heartbeat, about 1 min", "no"),
        *("rq", "worker", "--url", "{broker}", "--worker-class", "rq.SimpleWorker", "--quiet"),
        workers=2,
    ),
    _queue("arq", "arq", "arq", Promises("no", "yes", "fixed timeout, 5 min", "no"), "arq", "peers.arq.WorkerSettings"),
)
