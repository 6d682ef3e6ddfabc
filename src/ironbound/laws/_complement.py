"""1 - p where p is near 1 and every digit of the difference counts.

A probability that a person types, such as 0.999999999, is stored as the nearest float64, which may lie
above it; 1 - p is then too small by 3e-8 of itself, and a bound that amplifies it would exceed the truth.
So a float stands here both for its exact value and for the shortest decimal that reads as it, and the bound
holds for both.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def complement_up(p: Array) -> Array:
    """The larger of 1 - p for the two readings of p; for lower bounds, which fall as 1 - p grows.

    Example:
        >>> bool(complement_up(np.array([0.999999999]))[0] >= 1e-9 > 1 - 0.999999999)
        True
    """
    return np.maximum(1.0 - p, _from_decimal(p))


def complement_down(p: Array) -> Array:
    """The smaller of 1 - p for the two readings of p; for upper bounds."""
    return np.minimum(1.0 - p, _from_decimal(p))


def _from_decimal(p: Array) -> Array:
    # Below one half, 1 - p is as exact as p itself, and the evaluation error of the bounds covers both.
    values = [float(1 - Decimal(repr(x))) if x > 0.5 else 1.0 - x for x in p.tolist()]
    return np.array(values, dtype=np.float64).reshape(p.shape)
