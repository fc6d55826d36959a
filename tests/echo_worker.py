"""The smallest worker there can be: answers each request with its own rows, over the port of any engine."""

import threading
import time
from collections.abc import Callable
from typing import Self

from predictq_broker import Broker, Capacity, Code, Outcome, Request, Result


class EchoWorker:
    """A thread that answers the requests of some models over the port, with `answer` or with their own rows."""

    def __init__(self, broker: Broker, *models: str, answer: Callable[[Request], Result] | None = None) -> None:
        self._consumer = broker.consumer("echo")
        self._wants = dict.fromkeys(models, Capacity(512))
        self._answer = answer or echo
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="echo", daemon=True)
        self.answered: list[Request] = []

    def _run(self) -> None:
        while not self._stopped.is_set():
            deliveries = self._consumer.receive(self._wants, 0.1)
            self.answered += [delivery.request for delivery in deliveries]
            self._consumer.settle([Outcome(delivery, self._answer(delivery.request)) for delivery in deliveries])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._consumer.close()


def echo(request: Request) -> Result:
    """The rows of the request as its outputs, by release 1."""
    return Result(
        request.id,
        Code.OK,
        request.body,
        model=request.model,
        version=1,
        digest="sha256:0",
        content_type=request.content_type,
    )


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for what another thread does; fails if it does not happen in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.002)
