"""Celery with celery-batches: a list of requests for each call of the task.

At most 512 together, or what has come in 10 ms. Prefetch is unlimited, as it must be for batches of that size.
"""

from typing import Any

from celery_batches import Batches
from load.models import predict as labels_of
from load.place import the_model

from peers import celery

app = celery.app
app.conf.update(worker_prefetch_multiplier=0)


class WithModel(Batches):
    """A batch task that keeps its model."""

    abstract = True
    _model: Any = None

    @property
    def model(self) -> Any:  # noqa: ANN401  scikit-learn ships no types
        """Trained when it is first used."""
        self._model = self._model or the_model()
        return self._model


@app.task(base=WithModel, flush_every=512, flush_interval=0.01)
def predict(requests: Any) -> None:  # noqa: ANN401  a list of its `SimpleRequest`
    """All rows at once; each result is stored by hand, as its documentation shows."""
    labels = labels_of(predict.model, [request.args[0] for request in requests])
    for request, label in zip(requests, labels, strict=True):
        app.backend.mark_as_done(request.id, label, request=request)


class Asker(celery.Asker):
    """As for Celery."""

    task = predict
