"""The event processor: reads requests in batches, runs models in child processes, publishes the results."""

from predictq_worker.logs import configure as configure_logs
from predictq_worker.settings import WorkerSettings
from predictq_worker.worker import NotDurable, Worker

__all__ = ["NotDurable", "Worker", "WorkerSettings", "configure_logs"]
