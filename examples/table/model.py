"""A scikit-learn pipeline over DataFrame rows, fitted when it is loaded."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NUMBERS = ["hours", "temperature", "vibration", "pressure"]
FIELDS = ["seal", "noise", "oil", "filter", "bearing", "alarm"]


def load() -> Pipeline:
    """The pipeline sees DataFrames with their own column names and types, noised or not."""
    table = pd.read_csv(Path(__file__).parent / "train.csv", keep_default_na=False)
    columns = make_column_transformer((StandardScaler(), NUMBERS), (OneHotEncoder(), FIELDS))
    return make_pipeline(columns, LogisticRegression(C=0.1)).fit(table[NUMBERS + FIELDS], table["state"])
