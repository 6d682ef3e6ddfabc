"""Two classifiers on the same images: McNemar's exact test of who is right where the other is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ironbound.errors import InputError
from ironbound.experiments.measure import accuracy, radius


def mcnemar(one: int, two: int) -> float:
    """Two-sided exact p-value: `one` and `two` images are right for only the first, only the second.

    Example:
        >>> mcnemar(0, 5), mcnemar(3, 3)
        (0.0625, 1.0)
    """
    both = one + two
    tail = sum(comb(both, k) for k in range(min(one, two) + 1))
    return min(1.0, 2 * tail / 2**both)


def only(
    first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]], r: float
) -> tuple[int, int]:
    """How many images only the first, and only the second, certifies rightly at radius r.

    Raises:
        InputError: the rows are not of the same images.
    """
    ids = [[(row["id"], row["label"]) for row in rows] for rows in (first, second)]
    if ids[0] != ids[1]:
        raise InputError("first and second must be certificates of the same images, in the same order")
    right = [
        [row["prediction"] == row["label"] and radius(row) >= r for row in rows] for rows in (first, second)
    ]
    pairs = list(zip(*right, strict=True))
    return pairs.count((True, False)), pairs.count((False, True))


def balanced(rows: Sequence[Mapping[str, Any]], radii: Sequence[float]) -> list[float]:
    """Certified accuracy in percent at every radius, averaged over the classes: a constant answer gets 100/K.

    Example:
        >>> sure = {"label": 0, "prediction": 0, "frontier": [[0, 1.0]]}
        >>> balanced([sure, sure, sure, sure | {"label": 1}], [0.5])
        [50.0]
    """

    classes = sorted({row["label"] for row in rows})
    parts = [accuracy([row for row in rows if row["label"] == label], 0, radii) for label in classes]
    return [sum(column) / len(parts) for column in zip(*parts, strict=True)]


def shares(right: Sequence[int], labels: Sequence[int] | NDArray[Any]) -> tuple[float, float]:
    """Percent of 0-or-1 answers that are right, and the mean of that over the classes.

    Example:
        >>> shares([1, 1, 1, 0], [0, 0, 0, 1])
        (75.0, 50.0)
    """
    given, known = np.asarray(right, dtype=np.float64), np.asarray(labels)
    each = [float(given[known == label].mean()) for label in np.unique(known)]
    return 100.0 * float(given.mean()), 100.0 * sum(each) / len(each)
