"""Adapter from noised table channels to a scikit-learn pipeline over DataFrame rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ironbound.errors import InputTypeError
from ironbound.models.tables import TableSchema


class TabularClassifier:
    """Decodes noised channels to DataFrame rows and asks a fitted classifier for their labels.

    Labels are places in `classes` (the pipeline's `classes_`), so any label type works; use
    `num_classes` and `class_names` for `SmoothedClassifier`.

    Args:
        pipeline: a fitted scikit-learn classifier or pipeline that was trained on such DataFrames.
        schema: from `TableSchema.fit` on the training table.
    Raises:
        InputTypeError: the pipeline has no `predict`, or is not fitted.

    Example:
        >>> import pandas as pd
        >>> from sklearn.compose import make_column_transformer
        >>> from sklearn.pipeline import make_pipeline
        >>> from sklearn.preprocessing import OneHotEncoder
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> table = pd.DataFrame({"age": [20, 60, 30, 70], "job": ["a", "b", "a", "b"]})
        >>> columns = make_column_transformer((OneHotEncoder(), ["job"]), remainder="passthrough")
        >>> model = make_pipeline(columns, DecisionTreeClassifier()).fit(table, ["no", "yes", "no", "yes"])
        >>> schema = TableSchema.fit(table)
        >>> base = TabularClassifier(model, schema)
        >>> base(schema.encode(table)), base.class_names
        (array([0, 1, 0, 1]), ('no', 'yes'))
    """

    def __init__(self, pipeline: Any, schema: TableSchema) -> None:
        if not hasattr(pipeline, "predict"):
            raise InputTypeError(f"pipeline must have predict; got {type(pipeline).__name__}")
        try:
            classes = np.asarray(pipeline.classes_)
        except AttributeError as error:
            raise InputTypeError("pipeline must be a fitted classifier (it has no classes_ yet)") from error
        self.pipeline = pipeline
        self.schema = schema
        self.classes = classes
        self._places = {label: i for i, label in enumerate(classes.tolist())}

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(str(label) for label in self.classes.tolist())

    def __call__(self, batch: Mapping[str, Any]) -> NDArray[np.int64]:
        answers = np.asarray(self.pipeline.predict(self.schema.decode(batch)))
        # A pipeline that answers something else than its classes has not named a class: -1.
        return np.array([self._places.get(label, -1) for label in answers.tolist()], dtype=np.int64)
