"""Tables: names, order and types survive the way to noise and back; unusable rows are named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from ironbound.errors import InputError, InputTypeError
from ironbound.models import TableSchema, TabularClassifier
from ironbound.smoothing.draws import Draws


def table(rows: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "job": rng.choice(["clerk", "smith", "monk"], rows),
            "age": rng.integers(18, 90, rows),
            "small": rng.integers(0, 200, rows).astype(np.uint8),
            "member": rng.random(rows) < 0.5,
            "hours": rng.normal(40, 5, rows),
            "single": rng.normal(0, 1, rows).astype(np.float32),
            "grade": pd.Categorical(
                rng.choice(["low", "high"], rows), categories=["low", "mid", "high"], ordered=True
            ),
            "visits": pd.array(rng.integers(0, 9, rows), dtype="Int64"),
            "name": pd.array(rng.choice(["x", "y"], rows), dtype="string"),
            "code": np.array([["p", 3][i] for i in rng.integers(0, 2, rows)], dtype=object),
        },
        index=[f"row{i}" for i in range(rows)],
    )


SCHEMA = TableSchema.fit(table())
SMOOTHING = SCHEMA.smoothing(sigma=0.5, beta=0.4)


def test_columns_are_sorted_into_two_channels() -> None:
    assert [c.name for c in SCHEMA.numeric] == ["age", "small", "hours", "single", "visits"]
    assert [c.name for c in SCHEMA.categorical] == ["job", "member", "grade", "name", "code"]
    assert SMOOTHING["categorical"].record(np.zeros(5, dtype=np.int64), "c", None)["arities"] == [
        3,
        2,
        3,
        2,
        2,
    ]
    channels = SCHEMA.encode(table())
    assert channels["numeric"].dtype == np.float64
    assert channels["categorical"].dtype == np.int64
    assert abs(channels["numeric"].mean()) < 1e-6
    assert np.allclose(channels["numeric"].std(axis=0), 1)


def test_without_noise_the_table_comes_back() -> None:
    frame = table()
    back = SCHEMA.decode(SCHEMA.encode(frame))
    back.index = frame.index
    for name in ("hours", "single"):
        assert np.allclose(back[name], frame[name], rtol=1e-6)
        back[name] = frame[name]
    pd.testing.assert_frame_equal(back, frame)


def test_names_order_and_types_survive_the_noise() -> None:
    frame = table()
    ((label, row), *_) = SCHEMA.rows(frame)
    assert label == "row0"
    noised = SCHEMA.decode(Draws(SMOOTHING, SMOOTHING.check(row), 0, "0", "estimation").take(0, 500))
    assert list(noised.columns) == list(frame.columns)
    assert noised.dtypes.to_dict() == frame.dtypes.to_dict()
    assert noised["age"].nunique() > 5
    assert set(noised["grade"].unique()) == {"low", "mid", "high"}  # also the category that no row had
    assert set(noised["code"].unique()) == {"p", 3}
    assert noised["small"].max() <= 255
    assert not noised.isna().any(axis=None)


def test_whole_numbers_are_rounded_and_clipped_not_wrapped() -> None:
    frame = pd.DataFrame({"byte": np.array([0, 255], dtype=np.uint8), "long": np.array([0, 2**62])})
    schema = TableSchema.fit(frame)
    wild = schema.decode({"numeric": np.array([[-100.0, -100.0], [100.0, 100.0]])})
    assert wild["byte"].tolist() == [0, 255]
    assert wild["long"].iloc[0] == -(2**63)
    assert wild["long"].iloc[1] > 2**62


def test_whole_numbers_are_rounded_to_the_nearest() -> None:
    frame = pd.DataFrame({"count": [-10, 10]})  # mean 0, scale 10
    noised = TableSchema.fit(frame).decode({"numeric": np.array([[0.06], [-0.06], [0.04]])})
    assert noised["count"].tolist() == [1, -1, 0]


def test_only_numbers_or_only_categories() -> None:
    numbers = TableSchema.fit(pd.DataFrame({"a": [1.0, 2.0]}))
    assert list(numbers.smoothing(1.0, 0.5)) == ["numeric"]
    flags = TableSchema.fit(pd.DataFrame({"a": [True, False]}))
    assert list(flags.smoothing(1.0, 0.5)) == ["categorical"]
    assert flags.decode(flags.encode(pd.DataFrame({"a": [False, True]})))["a"].tolist() == [False, True]


def test_number_columns_may_be_declared_categorical() -> None:
    frame = pd.DataFrame({"ward": [3, 5, 3], "age": [1, 2, 3]})
    schema = TableSchema.fit(frame, categorical=["ward"], categories={"ward": [3, 5, 8]})
    assert schema.categorical[0].values == (3, 5, 8)
    assert schema.decode(schema.encode(frame)).equals(frame)


def with_value(column: str, value: Any) -> pd.DataFrame:
    frame = table().astype({column: object})
    frame.loc["row7", column] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (with_value("job", "pope"), r"column 'job' has the category 'pope' in row 'row7'.*'clerk'"),
        (with_value("job", None), r"column 'job' has a missing value in row 'row7'"),
        (with_value("hours", float("nan")), r"column 'hours' has a missing value in row 'row7'"),
        (table().assign(hours=np.inf), r"column 'hours' must be finite; row 'row0' holds inf"),
        (table().assign(hours="many"), r"column 'hours' must hold numbers"),
        (table().drop(columns="age"), r"lacks the column 'age'"),
        (table().iloc[:0], r"must have rows"),
        (pd.concat([table(), table()[["age"]]], axis=1), r"'age' more than once"),
    ],
    ids=["unseen", "none", "nan", "inf", "text", "lacking", "empty", "twice"],
)
def test_unusable_tables_are_refused_by_column_and_row(frame: pd.DataFrame, says: str) -> None:
    with pytest.raises(InputError, match=says):
        SCHEMA.encode(frame)


@pytest.mark.parametrize(
    ("frame", "arguments", "says"),
    [
        (pd.DataFrame({"a": ["x", "x"]}), {}, r"column 'a' has the one value 'x'.*categories"),
        (pd.DataFrame({"a": ["x", None]}), {}, r"column 'a' has a missing value in row 1"),
        (pd.DataFrame({"a": pd.to_datetime(["2020-01-01", "2021-01-01"])}), {}, r"column 'a'.*datetime"),
        (pd.DataFrame({"a": [1.0, 2.0]}), {"categorical": ["b"]}, "categorical"),
        (pd.DataFrame({"a": ["x", "y"], "b": ["x", "y"]}), {"categorical": ["a"]}, "column 'b' is no number"),
        (pd.DataFrame({"a": [0.5, 1.5]}), {"categorical": ["a"]}, "column 'a'"),
        (pd.DataFrame({"a": ["x", "z"]}), {"categories": {"a": ["x", "y"]}}, "'z'"),
    ],
)
def test_unusable_columns_are_refused_when_the_schema_is_made(
    frame: pd.DataFrame, arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        TableSchema.fit(frame, **arguments)


def test_a_table_is_a_data_frame() -> None:
    with pytest.raises(InputTypeError, match="DataFrame"):
        TableSchema.fit([[1, 2]])


def classifier(labels: Any) -> TabularClassifier:
    frame = table()
    columns = make_column_transformer(
        (OneHotEncoder(), ["job", "member", "grade", "name"]),
        (StandardScaler(), ["age", "small", "hours", "single"]),
    )
    return TabularClassifier(make_pipeline(columns, LinearSVC()).fit(frame, labels), SCHEMA)


def test_labels_of_any_type_become_places() -> None:
    rich = np.where(table()["age"] > 50, ">50K", "<=50K")
    base = classifier(rich)
    assert (base.num_classes, base.class_names) == (2, ("<=50K", ">50K"))
    frame = table()
    assert base(SCHEMA.encode(frame)).tolist() == [
        {"<=50K": 0, ">50K": 1}[label] for label in base.pipeline.predict(frame)
    ]


def test_a_pipeline_has_to_be_a_fitted_classifier() -> None:
    with pytest.raises(InputTypeError, match="fitted"):
        TabularClassifier(LinearSVC(), SCHEMA)
    with pytest.raises(InputTypeError, match="predict"):
        TabularClassifier(StandardScaler(), SCHEMA)
