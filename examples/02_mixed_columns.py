"""Predict from named columns of mixed types, one of them with missing values: records or a pandas frame in."""

from pathlib import Path

import numpy as np
import pandas as pd
from _serving import serving
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

PATIENTS = Path(__file__).parent / "data" / "patients.csv"
NUMBERS = ["age", "bmi", "blood_pressure", "cholesterol"]


def pipeline() -> Pipeline:
    """All that happens to a row travels with the model: who asks sends the row as it is."""
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
            ("weight", OneHotEncoder(handle_unknown="ignore"), ["weight"]),
            ("booleans", "passthrough", ["high_glucose"]),
        ]
    )
    return make_pipeline(columns, LogisticRegression())


def main() -> None:
    """Fit, publish, serve, ask, compare."""
    patients = pd.read_csv(PATIENTS)
    progression = patients.pop("progression")
    known, new = patients[:350], patients[350:]
    model = pipeline().fit(known, progression[:350])

    with serving("progression", model, sample=known) as client:
        record = {
            "age": 59,
            "bmi": 32.1,
            "weight": "obese",
            "blood_pressure": None,  # not measured
            "cholesterol": 157,
            "high_glucose": False,
        }
        one = client.predict("progression", [record])
        print(f"one patient: {one.outputs}")

        frame = client.predict("progression", new)
        records = client.predict("progression", new.to_dict("records"))

    np.testing.assert_array_equal(one.outputs, model.predict(pd.DataFrame([record])))
    np.testing.assert_array_equal(frame.outputs, model.predict(new))
    np.testing.assert_array_equal(records.outputs, model.predict(new))
    right = np.mean(np.array(frame.outputs) == progression[350:])
    missing = new["blood_pressure"].isna().sum()
    print(f"{len(new)} patients, {missing} without blood pressure, answered as in-process, {right:.0%} of them right")


if __name__ == "__main__":
    main()
