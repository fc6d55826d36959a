"""One result of a durable queue, in the hands of a subscriber."""

from collections.abc import Callable

from predictq.errors import PredictqError
from predictq.prediction import Prediction, prediction_of
from predictq.values import Outputs
from predictq_broker import Code, ResultDelivery, Timings

__all__ = ["ResultMessage"]


class ResultMessage:
    """A prediction or an error, to be acknowledged when it is dealt with; it comes again if it is not."""

    __slots__ = ("_ack", "_delivery", "_outcome")

    def __init__(self, delivery: ResultDelivery, ack: Callable[[ResultDelivery], None]) -> None:
        self._delivery = delivery
        self._ack = ack
        self._outcome = prediction_of(delivery.result)

    @property
    def id(self) -> str:
        """The request's id."""
        return self._delivery.result.id

    @property
    def ok(self) -> bool:
        """Whether there are outputs."""
        return isinstance(self._outcome, Prediction)

    @property
    def status(self) -> Code:
        """`ok`, or the error's code."""
        return self._delivery.result.status

    @property
    def outputs(self) -> Outputs:
        """One output for each row; raises the `error` if there is one."""
        if isinstance(self._outcome, PredictqError):
            raise self._outcome
        return self._outcome.outputs

    @property
    def error(self) -> PredictqError | None:
        """Why there are no outputs; None if there are."""
        return self._outcome if isinstance(self._outcome, PredictqError) else None

    @property
    def model(self) -> str:
        """The model's name."""
        return self._delivery.result.model

    @property
    def version(self) -> int:
        """The exact release that answered; 0 if none did."""
        return self._delivery.result.version

    @property
    def digest(self) -> str:
        """The sha256 of that release's manifest; empty if none answered."""
        return self._delivery.result.digest

    @property
    def timings(self) -> Timings:
        """Where the time went, in seconds."""
        return self._delivery.result.timings

    @property
    def attempt(self) -> int:
        """1 at first; more if another subscriber had it before and died."""
        return self._delivery.attempt

    def ack(self) -> None:
        """It is dealt with: forget it. Returns at once; what is acknowledged is sent promptly, and by `close`."""
        self._ack(self._delivery)

    def __repr__(self) -> str:
        return f"ResultMessage(id={self.id!r}, status={self.status.value!r}, model={self.model!r})"
