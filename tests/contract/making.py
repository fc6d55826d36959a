"""Requests, answers and waiting, for the sentences of the contract."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from predictq_broker.messages import TEXT, Code, Delivery, Outcome, Request, Result, ResultDelivery, Verdict
from predictq_broker.names import new_id
from predictq_broker.port import Broker, Capacity, Consumer, Inbox

__all__ = [
    "answer",
    "ask",
    "drain",
    "eventually",
    "failure",
    "hold",
    "ids",
    "in_background",
    "let_pass",
    "nothing_is_left",
    "receive",
    "send",
]

T = TypeVar("T")


def ask(name: str = "", **headers: Any) -> Request:
    """A request for the model `iris`, unless told otherwise."""
    defaults: dict[str, Any] = {"model": "iris", "body": b"[[5.1]]", "id": name or new_id()}
    return Request(**(defaults | headers))


def send(broker: Broker, *requests: Request) -> None:
    """Send requests that must all be accepted."""
    assert list(broker.send(requests)) == [Verdict.ACCEPTED] * len(requests)


def receive(consumer: Consumer, most: int = 10, model: str = "iris", wait: float = 0.0) -> Sequence[Delivery]:
    """What waits for one model."""
    return consumer.receive({model: Capacity(most)}, wait)


def hold(broker: Broker, consumer: Consumer, *requests: Request) -> Sequence[Delivery]:
    """Send requests and put them into the consumer's hands."""
    send(broker, *requests)
    deliveries = receive(consumer, len(requests), requests[0].model)
    assert len(deliveries) == len(requests)
    return deliveries


def answer(delivery: Delivery, body: bytes = b"[0]") -> Outcome:
    """A prediction for a delivery."""
    request = delivery.request
    return Outcome(delivery, Result(request.id, Code.OK, body, request.model, 3, "sha256:abc"))


def failure(delivery: Delivery, code: Code, sentence: str) -> Outcome:
    """An error for a delivery."""
    request = delivery.request
    return Outcome(delivery, Result(request.id, code, sentence.encode(), request.model, content_type=TEXT))


def ids(deliveries: Sequence[Delivery] | Sequence[ResultDelivery] | Sequence[Result]) -> list[str]:
    """The correlation ids, in order."""
    return [_id(delivery) for delivery in deliveries]


def _id(delivery: Delivery | ResultDelivery | Result) -> str:
    match delivery:
        case Delivery():
            return delivery.request.id
        case ResultDelivery():
            return delivery.result.id
        case Result():
            return delivery.id


def drain(inbox: Inbox) -> list[Result]:
    """Every result that has come."""
    found: list[Result] = []
    while more := inbox.receive(0):
        found += more
    return found


def eventually(condition: Callable[[], T], timeout: float = 40.0) -> T:
    """What `condition` returns as soon as it is true; fails if it never is."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, f"did not become true within {timeout} s"
        let_pass(0.01)
    return found


def let_pass(seconds: float) -> None:
    """Let time pass where time itself is what is tested."""
    threading.Event().wait(seconds)


class Background:
    """A call in a thread of its own, and what it returned."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._found: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._found = self._call()
        except BaseException as error:  # noqa: BLE001  raised again by `result`, in the test's own thread
            self._error = error

    def result(self, timeout: float = 60.0) -> Any:
        self._thread.join(timeout)
        assert not self._thread.is_alive(), f"still running after {timeout} s"
        if self._error is not None:
            raise self._error
        return self._found


def in_background(call: Callable[[], Any]) -> Background:
    """Start `call` in a thread; ask for its `result()`."""
    return Background(call)


def nothing_is_left(broker: Broker, model: str = "iris") -> bool:
    """Whether neither a request nor a dead letter nor a consumer of the model remains."""
    return not any(broker.stats(model))
