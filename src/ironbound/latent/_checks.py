"""Input checks that the estimators share."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ironbound.latent._rounding import Array


def check_training(estimator: BaseEstimator, Z: ArrayLike, y: ArrayLike) -> tuple[Array, NDArray[Any]]:
    """Finite float64 latents (N, D) and class labels (N,); the estimator learns the width.

    Raises:
        ValueError: scikit-learn's messages, which name the estimator, the shape and what was expected.
    """
    check = cast(Any, validate_data)  # scikit-learn's annotations predate array-likes
    z, labels = check(estimator, Z, y, dtype=np.float64, ensure_min_samples=2)
    check_classification_targets(labels)
    return z, labels


def check_latents(estimator: BaseEstimator, Z: ArrayLike) -> Array:
    """Finite float64 latents (N, D) of the width that the fitted estimator knows."""
    check_is_fitted(estimator)
    return cast(Any, validate_data)(estimator, Z, dtype=np.float64, reset=False)
