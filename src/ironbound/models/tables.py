"""`TableSchema`: DataFrame rows as the two channels that noise is added to, and back again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ironbound.channels import Categorical, Gaussian, Smoothing
from ironbound.errors import InputError, InputTypeError, wrong_value

NUMERIC, CATEGORICAL = "numeric", "categorical"


@dataclass(frozen=True)
class NumericColumn:
    """A column that is noised after standardisation: (value - mean) / scale."""

    name: str
    dtype: Any
    mean: float
    scale: float


@dataclass(frozen=True)
class CategoricalColumn:
    """A column with a finite set of values; its codes are the places of the values."""

    name: str
    dtype: Any
    values: tuple[Any, ...]


@dataclass(frozen=True)
class TableSchema:
    """Column names, order, types and scales of a table, learned by `fit`.

    Numeric columns become one continuous channel "numeric" in standard deviations of the fitted table;
    boolean, string and category columns become one channel "categorical" of codes. `decode` undoes both and
    restores names, order and dtypes; a whole-number column is rounded to the nearest whole number there,
    which is post-processing of the noised value and needs no proof.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"age": [30, 50], "job": ["clerk", "smith"], "hours": [38.5, 40.0]})
        >>> schema = TableSchema.fit(table)
        >>> schema.decode(schema.encode(table)).equals(table)
        True
        >>> schema.smoothing(sigma=0.5, beta=0.25)["categorical"].arities
        (2,)
    """

    order: tuple[str, ...]
    numeric: tuple[NumericColumn, ...]
    categorical: tuple[CategoricalColumn, ...]

    @staticmethod
    def fit(
        frame: Any,
        *,
        categorical: Sequence[str] | None = None,
        categories: Mapping[str, Sequence[Any]] | None = None,
    ) -> TableSchema:
        """Learn the schema of a pandas DataFrame.

        Args:
            frame: the training table, without its label column.
            categorical: columns with a finite set of values; None for all that are not numbers.
            categories: all values that a column can have, where the table does not show them all.
        Raises:
            InputError: a missing value (column and row are named), a categorical column with one value only,
                or a column type that is neither a number nor a category.
        """
        _check_frame(frame)
        known = dict(categories or {})
        for name in (*(categorical or ()), *known):
            if name not in frame.columns:
                raise wrong_value("categorical", name, f"one of the columns {list(frame.columns)}")
        numeric: list[NumericColumn] = []
        finite: list[CategoricalColumn] = []
        for name in frame.columns:
            column = frame[name]
            _refuse_missing(column)
            chosen = name in known or (categorical is not None and name in categorical)
            if not chosen and _is_number(column) and not (categorical is None and _is_flag(column)):
                numeric.append(_numeric_column(column))
            elif chosen or categorical is None:
                finite.append(_categorical_column(column, known.get(name)))
            else:
                raise InputError(
                    f"column {name!r} is no number: name it in categorical (dtype {column.dtype})"
                )
        return TableSchema(tuple(frame.columns), tuple(numeric), tuple(finite))

    def encode(self, frame: Any) -> dict[str, NDArray[Any]]:
        """The channels of all rows: "numeric" (N, m) float64 and "categorical" (N, k) int64.

        Raises:
            InputError: a column is missing, or holds a missing, infinite or never seen value.
        """
        _check_frame(frame)
        missing = [name for name in self.order if name not in frame.columns]
        if missing:
            raise InputError(f"the table lacks the column {missing[0]!r}; it has {list(frame.columns)}")
        channels: dict[str, NDArray[Any]] = {}
        if self.numeric:
            columns = [(_numbers(frame[c.name]) - c.mean) / c.scale for c in self.numeric]
            channels[NUMERIC] = np.stack(columns, axis=1)
        if self.categorical:
            channels[CATEGORICAL] = np.stack([_codes(frame[c.name], c) for c in self.categorical], axis=1)
        return channels

    def rows(self, frame: Any) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
        """(id, inputs) of each row, ready for `certify_many`; the id is the row's index label."""
        channels = self.encode(frame)
        for i, label in enumerate(frame.index):
            yield str(label), {name: array[i] for name, array in channels.items()}

    def decode(self, batch: Mapping[str, Any]) -> Any:
        """A DataFrame with the original names, order and dtypes from (noised) channels (B, m) and (B, k)."""
        import pandas as pd

        columns: dict[str, Any] = {}
        for i, c in enumerate(self.numeric):
            columns[c.name] = _restore_numbers(np.asarray(batch[NUMERIC])[:, i] * c.scale + c.mean, c.dtype)
        for i, c in enumerate(self.categorical):
            codes = np.asarray(batch[CATEGORICAL])[:, i]
            if isinstance(c.dtype, pd.CategoricalDtype):
                columns[c.name] = pd.Categorical.from_codes(codes, dtype=c.dtype)
            else:
                columns[c.name] = pd.Series(_objects(c.values)[codes]).astype(c.dtype)
        return pd.DataFrame(columns)[list(self.order)]

    def smoothing(self, sigma: float, beta: float | Sequence[float]) -> Smoothing:
        """Gaussian noise on the standardised numbers and uniform replacement on the categorical fields."""
        channels: dict[str, Any] = {}
        if self.numeric:
            channels[NUMERIC] = Gaussian(sigma, unit="standard deviations")
        if self.categorical:
            channels[CATEGORICAL] = Categorical([len(c.values) for c in self.categorical], beta)
        return Smoothing(**channels)


def _check_frame(frame: Any) -> None:
    try:
        import pandas as pd
    except ImportError as error:
        raise InputError("tables need pandas: install ironbound[tables]") from error
    if not isinstance(frame, pd.DataFrame):
        raise InputTypeError(f"the table must be a pandas DataFrame; got {type(frame).__name__}")
    if len(frame) == 0 or frame.shape[1] == 0:
        raise InputError(f"the table must have rows and columns; got shape {frame.shape}")
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise InputError(f"the table has the column {twice!r} more than once; names must differ")


def _is_flag(column: Any) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_bool_dtype(column.dtype))


def _is_number(column: Any) -> bool:
    import pandas as pd

    kind = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_complex_dtype(column.dtype)
    return bool(kind)


def _refuse_missing(column: Any) -> None:
    gaps = np.flatnonzero(column.isna().to_numpy())
    if gaps.size:
        row = column.index[gaps[0]]
        raise InputError(
            f"column {column.name!r} has a missing value in row {row!r}; fill it in or drop the row"
        )


def _numbers(column: Any) -> NDArray[np.float64]:
    _refuse_missing(column)
    if not _is_number(column):
        raise InputError(f"column {column.name!r} must hold numbers; its dtype is {column.dtype}")
    numbers = column.to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        row = column.index[bad[0]]
        raise InputError(f"column {column.name!r} must be finite; row {row!r} holds {numbers[bad[0]]}")
    return numbers


def _numeric_column(column: Any) -> NumericColumn:
    numbers = _numbers(column)
    spread = float(numbers.std())
    # A constant column has no scale of its own; leaving its units alone keeps decode exact.
    return NumericColumn(column.name, column.dtype, float(numbers.mean()), spread if spread > 0 else 1.0)


def _categorical_column(column: Any, listed: Sequence[Any] | None) -> CategoricalColumn:
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column.dtype) or pd.api.types.is_float_dtype(column.dtype):
        raise InputError(
            f"column {column.name!r} has dtype {column.dtype}: turn dates into numbers, "
            "and categories into strings"
        )
    if listed is not None and not isinstance(column.dtype, pd.CategoricalDtype):
        values = list(dict.fromkeys(listed))
    elif isinstance(column.dtype, pd.CategoricalDtype):
        values = column.dtype.categories.tolist()
    else:
        values = sorted(column.unique().tolist(), key=lambda v: (str(type(v)), v))
    if len(values) < 2:
        raise InputError(
            f"column {column.name!r} has the one value {values[0]!r}; drop it, or list its other possible "
            "values in categories"
        )
    found = CategoricalColumn(column.name, column.dtype, tuple(values))
    _codes(column, found)
    return found


def _codes(column: Any, schema: CategoricalColumn) -> NDArray[np.int64]:
    _refuse_missing(column)
    places = {value: i for i, value in enumerate(schema.values)}
    values = column.tolist()
    unseen = [(row, value) for row, value in zip(column.index, values, strict=True) if value not in places]
    if unseen:
        row, value = unseen[0]
        known = ", ".join(repr(v) for v in schema.values[:8]) + (", ..." if len(schema.values) > 8 else "")
        raise InputError(
            f"column {schema.name!r} has the category {value!r} in row {row!r}, which was never seen; "
            f"known are {known}"
        )
    return np.array([places[value] for value in values], dtype=np.int64)


def _objects(values: Sequence[Any]) -> NDArray[Any]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _restore_numbers(numbers: NDArray[np.float64], dtype: Any) -> Any:
    import pandas as pd

    if pd.api.types.is_integer_dtype(dtype):
        limits = np.iinfo(getattr(dtype, "numpy_dtype", dtype))
        # float(max) of 64-bit integers rounds up to 2^63, which would wrap; stay below it.
        top = float(limits.max) if limits.bits < 64 else float(np.nextafter(float(limits.max), 0.0))
        numbers = np.clip(np.rint(numbers), float(limits.min), top)
        return pd.Series(numbers.astype(getattr(dtype, "numpy_dtype", dtype))).astype(dtype)
    return pd.Series(numbers).astype(dtype)
