"""Classify irises: rows of numbers in, classes out, as lists or as NumPy arrays."""

import numpy as np
from _serving import serving
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split


def main() -> None:
    """Fit, publish, serve, ask, compare."""
    flowers, species = load_iris(return_X_y=True)
    known, new, answers, truth = train_test_split(flowers, species, random_state=7)
    model = LogisticRegression(max_iter=1000).fit(known, answers)

    with serving("iris", model, sample=known) as client:
        one = client.predict("iris", [[5.1, 3.5, 1.4, 0.2]])
        print(f"one flower: {one.outputs} by version {one.version} ({one.digest[:19]}…)")

        lists = client.predict("iris", new.tolist())  # JSON there and back
        arrays = client.predict("iris", new)  # an array in, an array out

    np.testing.assert_array_equal(lists.outputs, model.predict(new))
    np.testing.assert_array_equal(arrays.outputs, model.predict(new))
    print(f"{len(new)} flowers answered as in-process, {np.mean(arrays.outputs == truth):.0%} of them right")


if __name__ == "__main__":
    main()
