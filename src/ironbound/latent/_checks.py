"""Input checks that the estimators share."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from ironbound.latent._rounding import Array


def validated(
    estimator: BaseEstimator, Z: ArrayLike, y: ArrayLike | None = None
) -> tuple[Array, NDArray[Any]]:
    """Finite float64 latents (N, D), and labels if given; with labels, the width is learnt, else checked.

    Raises:
        ValueError: scikit-learn's messages, which name the estimator, the shape and what was expected.
    """
    check = cast(Any, validate_data)  # scikit-learn's annotations predate array-likes
    if y is None:
        z: Array = check(estimator, Z, dtype=np.float64, reset=False)
        return z, np.zeros(0)
    fitted: tuple[Array, NDArray[Any]] = check(estimator, Z, y, dtype=np.float64, ensure_min_samples=2)
    return fitted
