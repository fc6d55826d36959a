"""The models, trained alike in every environment: small data that scikit-learn brings or a seed makes.

`logistic`, `forest`, `boosting` and `text` classify; `logistic-30`, `forest-30` and `svc-30` do so with 30 columns.
`svc-30` has some five thousand support vectors, so that a row costs it a quarter of a millisecond and a batch little
more than its rows: beyond some 64 of them nothing is gained.
"""

import random
from typing import Any

__all__ = ["predict", "rows", "train"]

_ROWS = 1000
_WORDS = {
    0: "awful boring slow broken noisy wrong poor sad late cold",
    1: "great lovely quick solid quiet right rich happy early warm",
}
_COMMON = "the film was a bit and we thought that it in of for with music story people camera end half very"


def columns(name: str) -> int:
    """How many columns a model of numbers has."""
    return int(name.partition("-")[2] or 4)


def rows(name: str) -> list[Any]:
    """What is asked of the model: rows of numbers, or texts; a thousand at most."""
    return texts()[0] if name == "text" else numbers(name)[0][:_ROWS].tolist()


def numbers(name: str) -> tuple[Any, Any]:
    """Iris flowers, or as many columns as asked for."""
    from sklearn.datasets import load_iris, make_classification

    many = columns(name)
    samples, labels = (
        load_iris(return_X_y=True)
        if many == 4
        else make_classification(n_informative=many // 3, n_classes=3, random_state=7, **_shape(name))
    )
    return samples, labels


def _shape(name: str) -> dict[str, Any]:
    """Classes that are hard to tell apart make nearly every sample a support vector."""
    hard = name.startswith("svc")
    return {"n_samples": 6 * _ROWS if hard else _ROWS, "n_features": columns(name), "class_sep": 0.3 if hard else 2.0}


def texts() -> tuple[list[str], list[int]]:
    """Five hundred short reviews."""
    chance = random.Random(7)  # noqa: S311  no secret
    labels = [chance.randrange(2) for _ in range(500)]
    common = _COMMON.split()
    return [" ".join(_review(chance, common, _WORDS[label].split())) for label in labels], labels


def _review(chance: random.Random, common: list[str], telling: list[str]) -> list[str]:
    words = chance.choices(common, k=15) + chance.choices(telling, k=4)
    chance.shuffle(words)
    return words


def train(name: str) -> Any:  # noqa: ANN401  scikit-learn ships no types
    """The fitted estimator."""
    samples, labels = texts() if name == "text" else numbers(name)
    return estimator(name.partition("-")[0]).fit(samples, labels)


def estimator(kind: str) -> Any:  # noqa: ANN401  scikit-learn ships no types
    """Not yet fitted."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    match kind:
        case "logistic":
            return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        case "forest":
            return RandomForestClassifier(n_estimators=100, random_state=7)
        case "boosting":
            return HistGradientBoostingClassifier(random_state=7)
        case "text":
            return make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000))
        case "svc":
            return make_pipeline(StandardScaler(), SVC())
        case unknown:
            raise ValueError(f"no such model: {unknown}")


def predict(model: Any, asked: list[Any]) -> list[int]:  # noqa: ANN401  as `train`
    """The label of each row, all at once."""
    import numpy as np

    found: list[int] = model.predict(asked if isinstance(asked[0], str) else np.array(asked)).tolist()
    return found
