"""Adult (census income): where the files are found, and how they become numbers and codes.

Source: B. Becker, R. Kohavi, Adult, UCI, 1996 (CC BY 4.0). "?" stands for an unknown value and is a category
like any other; no row is dropped.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ironbound.data.registry import cache_home, data_folder
from ironbound.errors import InputError

COLUMNS = (
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "native-country",
)
NUMERIC = ("age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week")
CATEGORICAL = tuple(name for name in COLUMNS if name not in NUMERIC)
CLASS_NAMES = ("<=50K", ">50K")

_ROWS = {"training": (32_561, 7_841), "test": (16_281, 3_846)}  # rows, of which >50K
_OPENML_ID = 1590

Rows = list[list[str]]


@dataclass(frozen=True)
class AdultTable:
    """Rows of Adult as arrays.

    Args:
        numeric: (N, 6) float64 in the original units, columns as in `NUMERIC`.
        categorical: (N, 8) int64 places in `categories`, columns as in `CATEGORICAL`.
        income: (N,) int64, 1 for more than 50,000 dollars.
        categories: the values of each categorical column in sorted order, "?" among them where it occurs.
    """

    numeric: NDArray[np.float64]
    categorical: NDArray[np.int64]
    income: NDArray[np.int64]
    categories: tuple[tuple[str, ...], ...]

    @property
    def arities(self) -> tuple[int, ...]:
        return tuple(len(values) for values in self.categories)

    def frame(self) -> Any:
        """The rows as a pandas DataFrame: original column names, order and types, without the income."""
        import pandas as pd

        columns: dict[str, Any] = {}
        for name in COLUMNS:
            if name in NUMERIC:
                columns[name] = self.numeric[:, NUMERIC.index(name)].astype(np.int64)
            else:
                at = CATEGORICAL.index(name)
                columns[name] = pd.array(np.array(self.categories[at])[self.categorical[:, at]], dtype="str")
        return pd.DataFrame(columns)

    def describe(self, row: int) -> str:
        """One row in words."""
        shown: list[str] = []
        for name in COLUMNS:
            if name in NUMERIC:
                shown.append(f"{name} {self.numeric[row, NUMERIC.index(name)]:.0f}")
            else:
                at = CATEGORICAL.index(name)
                shown.append(f"{name} {self.categories[at][self.categorical[row, at]]}")
        return ", ".join(shown)


def load(
    cache: Path | str | None = None, *, fetch: Callable[..., Any] | None = None
) -> tuple[AdultTable, AdultTable]:
    """The published training and test part: from $IRONBOUND_DATA/adult, the cache, or OpenML.

    Args:
        cache: see `registry.cache_home`; OpenML's copy is kept there.
        fetch: stands in for `sklearn.datasets.fetch_openml`.
    Raises:
        InputError: the data can be had from nowhere, or are not the published ones.
    """
    folder = data_folder("adult", cache)
    if folder is not None:
        training, test = (read_file(folder / name) for name in ("adult.data", "adult.test"))
    else:
        training, test = _download(cache_home(cache), fetch)
    for part, rows in (("training", training), ("test", test)):
        found = len(rows), sum(row[-1] == CLASS_NAMES[1] for row in rows)
        if found != _ROWS[part]:
            raise InputError(
                f"the {part} part of Adult must have {_ROWS[part][0]} rows, {_ROWS[part][1]} of them "
                f"{CLASS_NAMES[1]}; found {found[0]} and {found[1]}"
            )
    categories = _categories(training)
    return _encode(training, categories), _encode(test, categories)


def read_file(path: Path) -> Rows:
    """Rows of an original file: 15 trimmed cells each, the comment line and the labels' full stop removed.

    Raises:
        InputError: the file cannot be read, or a line has another number of cells.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} must be the file of that name from UCI; {error.strerror}") from None
    rows: Rows = []
    for line, cells in enumerate(csv.reader(text.splitlines(), skipinitialspace=True), start=1):
        if not cells or cells[0].startswith("|"):
            continue
        if len(cells) != len(COLUMNS) + 1:
            raise InputError(f"{path}, line {line}: expected {len(COLUMNS) + 1} cells; got {len(cells)}")
        rows.append([cell.strip() for cell in cells[:-1]] + [cells[-1].strip().rstrip(".")])
    return rows


def _download(home: Path, fetch: Callable[..., Any] | None) -> tuple[Rows, Rows]:
    if fetch is None:
        from sklearn.datasets import fetch_openml as fetch
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "a network error, retrying": one message is enough
            bunch = fetch(
                data_id=_OPENML_ID,
                data_home=str(home),
                as_frame=False,
                parser="liac-arff",
                n_retries=1,
                delay=0.5,
            )
    except Exception as error:  # scikit-learn lets URL, HTTP, cache and parser errors through alike
        raise InputError(
            "the Adult data are not here and could not be fetched from OpenML "
            f"({type(error).__name__}: {error}). Put adult.data and adult.test from "
            "https://archive.ics.uci.edu/dataset/2/adult into a folder adult/ and set IRONBOUND_DATA to the "
            "folder that holds it"
        ) from None
    rows = _openml_rows(bunch)
    # One table holds both parts one after the other; which comes first shows in the number of positives.
    for first in ("training", "test"):
        size, positive = _ROWS[first]
        if sum(row[-1] == CLASS_NAMES[1] for row in rows[:size]) == positive:
            return (rows[:size], rows[size:]) if first == "training" else (rows[size:], rows[:size])
    raise InputError(
        f"OpenML's data set {_OPENML_ID} is not the Adult training and test part one after the other"
    )


def _openml_rows(bunch: Any) -> Rows:
    """OpenML's table, in which categories are numbers and unknown ones NaN, as rows of the original cells."""
    columns: list[list[str]] = []
    for name in COLUMNS:
        values = np.asarray(bunch.data[:, list(bunch.feature_names).index(name)], dtype=np.float64)
        if name in NUMERIC:
            columns.append([f"{value:.0f}" for value in values])
        else:
            known = bunch.categories[name]
            columns.append(["?" if np.isnan(value) else str(known[int(value)]) for value in values])
    columns.append([str(value).rstrip(".") for value in bunch.target])
    return [list(row) for row in zip(*columns, strict=True)]


def _categories(rows: Rows) -> tuple[tuple[str, ...], ...]:
    places = [COLUMNS.index(name) for name in CATEGORICAL]
    return tuple(tuple(sorted({row[place] for row in rows})) for place in places)


def _encode(rows: Rows, categories: Sequence[Sequence[str]]) -> AdultTable:
    codes = np.empty((len(rows), len(CATEGORICAL)), dtype=np.int64)
    for at, (name, values) in enumerate(zip(CATEGORICAL, categories, strict=True)):
        place, code = COLUMNS.index(name), {value: i for i, value in enumerate(values)}
        for i, row in enumerate(rows):
            if row[place] not in code:
                raise InputError(f"row {i} of Adult has the {name} {row[place]!r}, never seen in training")
            codes[i, at] = code[row[place]]
    numeric = np.array([[float(row[COLUMNS.index(name)]) for name in NUMERIC] for row in rows])
    income = np.array([CLASS_NAMES.index(row[-1]) for row in rows], dtype=np.int64)
    return AdultTable(numeric, codes, income, tuple(tuple(values) for values in categories))
