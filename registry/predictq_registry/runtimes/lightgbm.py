"""LightGBM's own format: trees as text."""

from typing import Any, ClassVar, Final

import numpy as np

from predictq_registry.errors import InvalidRelease
from predictq_registry.inputs.learn import Learnt
from predictq_registry.runtimes.runtime import Content, Runtime

__all__ = ["LightGBM"]

_FILE: Final = "model.lgb"
_CLASSIFIES: Final = frozenset({"binary", "cross_entropy", "multiclass", "multiclassova"})


class LightGBM(Runtime):
    """What `Booster.save_model` wrote: `predict`, and `predict_proba` of a classifier.

    Classes are numbers from 0: the format does not keep other labels.
    """

    name: ClassVar[str] = "lightgbm"
    endings: ClassVar[tuple[str, ...]] = (".lgb", ".txt")
    libraries: ClassVar[tuple[str, ...]] = ("lightgbm",)

    def runs_code(self, content: Content) -> bool:
        """Never."""
        del content
        return False

    def load(self, content: Content) -> object:
        """See `Runtime`."""
        import lightgbm

        booster: Any = lightgbm.Booster(model_str=content.only.decode())
        return _Classifier(booster) if booster.params.get("objective") in _CLASSIFIES else _Model(booster)

    def dump(self, model: object, learnt: Learnt) -> list[Content]:
        """See `Runtime`."""
        del learnt
        booster: Any = getattr(model, "booster_", model)
        if not hasattr(booster, "model_to_string"):
            raise InvalidRelease(f"a {type(model).__name__} is no LightGBM model")
        return [Content({_FILE: booster.model_to_string().encode()})]


class _Model:
    """A booster whose raw answer is the prediction; it takes columns by place, so it says which is where."""

    def __init__(self, booster: Any) -> None:  # noqa: ANN401  LightGBM's types say little
        self._booster = booster
        self.n_features_in_ = int(booster.num_feature())
        names: list[str] = booster.feature_name()
        self.feature_names_in_ = None if names == [f"Column_{place}" for place in range(len(names))] else names

    def predict(self, rows: object) -> object:
        """One number a row."""
        return self._booster.predict(rows)


class _Classifier(_Model):
    """A booster whose raw answer is a probability: of class 1, or of each class."""

    def predict(self, rows: object) -> object:
        """The likeliest class of each row."""
        return np.asarray(self.predict_proba(rows)).argmax(axis=1)

    def predict_proba(self, rows: object) -> object:
        """The probability of each class, in the order of the classes."""
        found = np.asarray(self._booster.predict(rows))
        return found if found.ndim == 2 else np.column_stack([1 - found, found])
