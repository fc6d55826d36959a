"""XGBoost's own format: trees as UBJSON or JSON."""

import json
from typing import Any, ClassVar, Final

from predictq_registry.errors import InvalidRelease
from predictq_registry.inputs.learn import Learnt
from predictq_registry.runtimes.runtime import Content, Runtime

__all__ = ["XGBoost"]

_FILE: Final = "model.ubj"
_CLASSIFIES: Final = ("binary:", "multi:")


class XGBoost(Runtime):
    """What `XGBModel.save_model` or `Booster.save_model` wrote: `predict`, and `predict_proba` of a classifier.

    Classes are numbers from 0: the format does not keep other labels.
    """

    name: ClassVar[str] = "xgboost"
    endings: ClassVar[tuple[str, ...]] = (".ubj", ".xgb", ".json")
    libraries: ClassVar[tuple[str, ...]] = ("xgboost", "xgboost-cpu")
    tolerance: ClassVar[float] = 1e-4

    def runs_code(self, content: Content) -> bool:
        """Never."""
        del content
        return False

    def load(self, content: Content) -> object:
        """See `Runtime`."""
        import xgboost

        booster = xgboost.Booster()
        booster.load_model(bytearray(content.only))
        objective: str = json.loads(booster.save_config())["learner"]["objective"]["name"]
        model: Any = xgboost.XGBClassifier() if objective.startswith(_CLASSIFIES) else xgboost.XGBRegressor()
        model.load_model(bytearray(content.only))
        return model

    def dump(self, model: object, learnt: Learnt) -> list[Content]:
        """See `Runtime`."""
        del learnt
        get_booster: Any = getattr(model, "get_booster", None)
        if get_booster is None:
            raise InvalidRelease(f"a {type(model).__name__} is no XGBoost model")
        return [Content({_FILE: bytes(get_booster().save_raw("ubj"))})]
