"""Ask for probabilities instead of classes: any method that a release can answer is there by its name."""

import numpy as np
from _serving import serving
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main() -> None:
    """Fit, publish, serve, ask, compare."""
    data = load_breast_cancer(as_frame=True)
    known, new, answers, _ = train_test_split(data.data, data.target, random_state=7)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(known, answers)

    with serving("tumour", model, sample=known) as client:
        classes = client.predict("tumour", new)
        probabilities = client.predict("tumour", new, method="predict_proba")
        distances = client.predict("tumour", new, method="decision_function")

    np.testing.assert_array_equal(classes.outputs, model.predict(new))
    np.testing.assert_allclose(probabilities.outputs, model.predict_proba(new), rtol=1e-9)
    np.testing.assert_allclose(distances.outputs, model.decision_function(new), rtol=1e-9)
    doubtful = np.mean(np.max(probabilities.outputs, axis=1) < 0.9)
    print(f"{len(new)} tumours answered as in-process; the model is less than 90% sure of {doubtful:.0%} of them")


if __name__ == "__main__":
    main()
