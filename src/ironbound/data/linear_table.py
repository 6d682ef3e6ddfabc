"""A linear classifier of table rows, folded: a dot product for the numbers, a table look-up per field.

A linear model on standardised and one-hot columns is a sum of one number per category. Added up that way it
needs neither one-hot columns nor DataFrames, which makes a draw cost about as much as its noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ironbound.data.registry import arrays_digest
from ironbound.errors import wrong_value

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LinearTable:
    """Answers class 1 where the sum of its weights is above 0; a base classifier.

    Args:
        numeric: weight of each standardised number, shape (m,).
        fields: weight of each category, one array per categorical column.
        intercept: constant term.
    Raises:
        InputError: a weight is not finite.

    Example:
        >>> model = LinearTable(np.array([1.0]), (np.array([-2.0, 0.5]),), 0.25)
        >>> model({"numeric": np.array([[1.0], [1.0]]), "categorical": np.array([[0], [1]])})
        array([0, 1])
    """

    numeric: Floats
    fields: tuple[Floats, ...]
    intercept: float

    def __post_init__(self) -> None:
        for name, weights in self.arrays().items():
            if not np.isfinite(weights).all():
                raise wrong_value(f"the weights {name!r}", weights, "finite")

    def __call__(self, batch: Mapping[str, Any]) -> NDArray[np.int64]:
        return (self.score(batch) > 0.0).astype(np.int64)

    def score(self, batch: Mapping[str, Any]) -> Floats:
        """The sum of the weights, shape (B,), from "numeric" (B, m) and "categorical" (B, k) codes."""
        total = np.asarray(batch["numeric"]) @ self.numeric
        total += self.intercept
        codes = np.asarray(batch["categorical"])
        for at, weights in enumerate(self.fields):
            total += weights[codes[:, at]]
        return total

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The weights by name, as they are stored."""
        return {
            "numeric": self.numeric,
            "intercept": np.array([self.intercept]),
            **{f"field_{at:02d}": weights for at, weights in enumerate(self.fields)},
        }

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> LinearTable:
        """The inverse of `arrays`."""
        fields = tuple(arrays[name] for name in sorted(arrays) if name.startswith("field_"))
        return LinearTable(arrays["numeric"], fields, float(arrays["intercept"][0]))

    @property
    def digest(self) -> str:
        """SHA-256 of the weights."""
        return arrays_digest(self.arrays())


def one_hot(numeric: Floats, codes: NDArray[np.int64], arities: tuple[int, ...]) -> sparse.csr_matrix:
    """The columns that the unfolded model sees: numbers, then one column for each category of each field.

    Example:
        >>> one_hot(np.array([[2.0]]), np.array([[1, 0]]), (3, 2)).toarray()
        array([[2., 0., 1., 0., 1., 0.]])
    """
    count = numeric.shape[0]
    offsets = np.cumsum([0, *arities])
    columns = (codes + offsets[:-1]).reshape(-1)
    rows = np.repeat(np.arange(count), codes.shape[1])
    hot = sparse.csr_matrix((np.ones(columns.size), (rows, columns)), shape=(count, int(offsets[-1])))
    return sparse.csr_matrix(sparse.hstack([sparse.csr_matrix(numeric), hot]))


def fold(coefficients: Floats, intercept: float, numbers: int, arities: tuple[int, ...]) -> LinearTable:
    """The coefficients of a linear model on `one_hot` columns, as look-up tables.

    Example:
        >>> fold(np.array([1.0, 5.0, 6.0, 7.0, 8.0, 9.0]), 0.5, 1, (3, 2)).fields
        (array([5., 6., 7.]), array([8., 9.]))
    """
    flat = np.asarray(coefficients, dtype=np.float64).reshape(-1)
    if flat.size != numbers + sum(arities):
        raise wrong_value("the number of coefficients", flat.size, f"{numbers} + {sum(arities)}")
    ends = numbers + np.cumsum(arities)
    fields = tuple(flat[end - arity : end] for end, arity in zip(ends, arities, strict=True))
    return LinearTable(flat[:numbers], fields, float(intercept))
