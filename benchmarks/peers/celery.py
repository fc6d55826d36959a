"""Celery on Redis: `celery -A peers.celery worker`.

As its guide to optimising says for many short tasks: prefetch much (128). The pool is `solo`, with no second
process between the queue and the task, which is the fastest of its pools for tasks this short. Tasks are
acknowledged late, or a killed worker would lose what it holds; results come by its recommended backend for that, Redis.
"""

from typing import Any

from celery import Celery, Task
from celery.exceptions import TimeoutError as TooLate
from load.handles import PENDING, Handles
from load.place import broker, the_model

app = Celery("bench", broker=broker(), backend=broker())
app.conf.update(worker_prefetch_multiplier=128, task_acks_late=True, worker_send_task_events=False)


class WithModel(Task):
    """A task that keeps its model."""

    abstract = True
    _model: Any = None

    @property
    def model(self) -> Any:  # noqa: ANN401  scikit-learn ships no types
        """Trained when it is first used."""
        self._model = self._model or the_model()
        return self._model


@app.task(bind=True, base=WithModel)
def predict(self: WithModel, row: Any) -> int:  # noqa: ANN401  a row of any model
    """One row."""
    return int(self.model.predict([row])[0])


class Asker(Handles):
    """`delay`, and `get` of the oldest."""

    task: Any = predict

    def begin(self, row: Any) -> Any:  # noqa: ANN401  as the base
        """Ask."""
        return self.task.delay(row)

    def take(self, handle: Any, wait: float) -> Any:  # noqa: ANN401  as the base
        """Wait; the result is forgotten."""
        try:
            return handle.get(timeout=max(wait, 0.001))
        except TooLate:
            return PENDING
