"""CatBoost's own format: trees as a FlatBuffer."""

import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Final

from predictq_registry.errors import InvalidRelease
from predictq_registry.inputs.learn import Learnt
from predictq_registry.runtimes.runtime import Content, Runtime

__all__ = ["CatBoost"]

_FILE: Final = "model.cbm"
_CLASSIFIES: Final = frozenset({"Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll"})


class CatBoost(Runtime):
    """What `CatBoost.save_model` wrote: `predict`, and `predict_proba` of a classifier. It keeps the labels."""

    name: ClassVar[str] = "catboost"
    endings: ClassVar[tuple[str, ...]] = (".cbm",)
    libraries: ClassVar[tuple[str, ...]] = ("catboost",)

    def runs_code(self, content: Content) -> bool:
        """Never."""
        del content
        return False

    def load(self, content: Content) -> object:
        """See `Runtime`."""
        catboost: Any = import_module("catboost")
        model: Any = catboost.CatBoost()
        model.load_model(blob=content.only)
        if model.get_all_params().get("loss_function") not in _CLASSIFIES:
            return _Model(model)
        model = catboost.CatBoostClassifier()
        model.load_model(blob=content.only)
        return _Classifier(model)

    def dump(self, model: object, learnt: Learnt) -> list[Content]:
        """See `Runtime`. CatBoost writes to files only."""
        del learnt
        save: Any = getattr(model, "save_model", None)
        if not type(model).__module__.startswith("catboost"):
            raise InvalidRelease(f"a {type(model).__name__} is no CatBoost model")
        with tempfile.TemporaryDirectory(prefix="predictq-") as folder:
            path = Path(folder) / _FILE
            save(str(path))
            return [Content({_FILE: path.read_bytes()})]


class _Model:
    """CatBoost's model; it knows which columns it takes, which CatBoost forgets."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401  CatBoost ships no types
        self._model = model
        self.feature_names_: list[str] = model.feature_names_

    def predict(self, rows: object) -> object:
        """One value a row."""
        found = self._model.predict(rows)
        return found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found


class _Classifier(_Model):
    """A model that also tells the probability of each class."""

    def predict_proba(self, rows: object) -> object:
        """In the order of the classes."""
        return self._model.predict_proba(rows)
