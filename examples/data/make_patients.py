"""Make `patients.csv`: scikit-learn's diabetes data as people keep such data, in columns of mixed types.

442 patients, each with whole numbers, numbers, a text, a boolean, and here and there a blood pressure that
nobody measured. `progression` is what was found a year later: slow or fast, split at the median.
"""

from pathlib import Path

import pandas as pd
from sklearn.datasets import load_diabetes

PATIENTS = Path(__file__).with_name("patients.csv")


def patients() -> pd.DataFrame:
    """The table that `patients.csv` holds."""
    frame = load_diabetes(as_frame=True, scaled=False).frame
    return pd.DataFrame(
        {
            "age": frame["age"].astype(int),
            "bmi": frame["bmi"],
            "weight": pd.cut(frame["bmi"], [0, 18.5, 25, 30, 100], labels=["under", "normal", "over", "obese"]),
            "blood_pressure": frame["bp"].where(frame.index % 13 != 5),  # every thirteenth was not measured
            "cholesterol": frame["s1"].astype(int),
            "high_glucose": frame["s6"] >= 100,
            "progression": (frame["target"] > frame["target"].median()).map({True: "fast", False: "slow"}),
        }
    )


if __name__ == "__main__":
    patients().to_csv(PATIENTS, index=False)
    print(f"{PATIENTS.name}: {len(patients())} patients")
