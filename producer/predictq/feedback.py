"""What came of a prediction, reported later: a request like any other, to a ref of its own."""

from collections.abc import Mapping
from typing import Final

from predictq.errors import InvalidInput
from predictq.prediction import Prediction

__all__ = ["REF", "report_of"]

REF: Final = "feedback"


def report_of(prediction: Prediction | str, value: float, model: str) -> tuple[str, list[Mapping[str, object]]]:
    """The model, and the rows that say so.

    Raises:
        InvalidInput: if only an id is given, and no model.
    """
    if isinstance(prediction, Prediction):
        return prediction.model, [{"id": prediction.id, "value": float(value)}]
    if not model:
        raise InvalidInput("an id alone does not say of which model it is: give model=, or the prediction itself")
    return model, [{"id": prediction, "value": float(value)}]
