"""Predict a number: the progression of diabetes. Many requests at once share a batch and keep their own answers."""

import numpy as np
from _serving import serving
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import train_test_split


def main() -> None:
    """Fit, publish, serve, ask, compare."""
    patients, progression = load_diabetes(return_X_y=True)
    known, new, answers, truth = train_test_split(patients, progression, random_state=7)
    model = RandomForestRegressor(50, random_state=7).fit(known, answers)

    with serving("diabetes", model, sample=known) as client:
        futures = [client.submit("diabetes", [row]) for row in new.tolist()]
        one_by_one = [future.result(timeout=60).outputs[0] for future in futures]

        in_chunks = [value for part in client.map("diabetes", new, chunk=25) for value in part.outputs]

    np.testing.assert_allclose(one_by_one, model.predict(new), rtol=1e-12)
    np.testing.assert_allclose(in_chunks, model.predict(new), rtol=1e-12)
    error = np.mean(np.abs(np.array(one_by_one) - truth))
    print(f"{len(new)} patients answered as in-process, one by one and in chunks, {error:.0f} off on average")


if __name__ == "__main__":
    main()
