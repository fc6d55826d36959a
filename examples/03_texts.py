"""Classify texts: from which data set's description is this line? The texts ship with scikit-learn."""

from typing import Any

import numpy as np
from _serving import serving
from sklearn import datasets
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline


def lines() -> tuple[list[str], list[str]]:
    """Lines of the descriptions, and the data set that each describes."""
    described: dict[str, Any] = {
        "flowers": datasets.load_iris(),
        "wine": datasets.load_wine(),
        "cancer": datasets.load_breast_cancer(),
        "diabetes": datasets.load_diabetes(),
        "digits": datasets.load_digits(),
    }
    pairs = [(line.strip(), name) for name, data in described.items() for line in data.DESCR.splitlines()]
    texts, names = zip(*(pair for pair in pairs if len(pair[0]) > 25), strict=True)
    return list(texts), list(names)


def main() -> None:
    """Fit, publish, serve, ask, compare."""
    texts, names = lines()
    known, new, answers, truth = train_test_split(texts, names, random_state=7, stratify=names)
    model = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=10)).fit(known, answers)

    with serving("topic", model, sample=known) as client:
        one = client.predict("topic", ["images of handwritten digits from preprinted forms"])
        print(f"one line: {one.outputs}")
        many = client.predict("topic", new)

    np.testing.assert_array_equal(many.outputs, model.predict(new))
    right = np.mean(np.array(many.outputs) == truth)
    print(f"{len(new)} lines answered as in-process, {right:.0%} of them right")


if __name__ == "__main__":
    main()
