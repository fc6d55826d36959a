"""What a caller gets: the outputs, and which release made them."""

from typing import Final

from predictq.errors import PredictqError, error_of
from predictq.outputs import decode
from predictq.values import Outputs
from predictq_broker import Code, Result, Timings

__all__ = ["Answer", "Prediction", "prediction_of"]

Answer = Result | PredictqError
"""How a request ended for its caller: what a worker said, or why nobody could be asked."""

_NOT_READ = object()
_OK: Final = Code.OK


class Prediction:
    """One answer. Its outputs are decoded when they are first looked at."""

    __slots__ = ("_outputs", "_result")

    def __init__(self, result: Result) -> None:
        self._result = result
        self._outputs: Outputs = _NOT_READ

    @property
    def outputs(self) -> Outputs:
        """One output for each row: a list, or a NumPy array if one was sent."""
        if self._outputs is _NOT_READ:
            self._outputs = decode(self._result)
        return self._outputs

    @property
    def id(self) -> str:
        """The request's id."""
        return self._result.id

    @property
    def model(self) -> str:
        """The model's name."""
        return self._result.model

    @property
    def version(self) -> int:
        """The exact release that answered."""
        return self._result.version

    @property
    def digest(self) -> str:
        """The sha256 of that release's manifest, as `sha256:…`."""
        return self._result.digest

    @property
    def route(self) -> str:
        """The rollout arm that chose the release; empty if there was no choice."""
        return self._result.route

    @property
    def timings(self) -> Timings:
        """Where the time went, in seconds: queued, batched, predicted."""
        return self._result.timings

    def __repr__(self) -> str:
        return f"Prediction(id={self.id!r}, model={self.model!r}, version={self.version})"

    def __reduce__(self) -> "tuple[type[Prediction], tuple[Result]]":
        return Prediction, (self._result,)


def prediction_of(answer: Answer) -> Prediction | PredictqError:
    """The value or the error that `answer` stands for."""
    if isinstance(answer, Result):
        return Prediction(answer) if answer.status is _OK else error_of(answer)
    return answer
