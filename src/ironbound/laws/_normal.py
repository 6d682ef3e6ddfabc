"""The normal distribution function and its inverse, with types (scipy.special carries none)."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import special  # pyright: ignore[reportMissingTypeStubs]

Array = NDArray[np.float64]

_SPECIAL = cast(Any, special)


def ndtr(z: Array) -> Array:
    """P(N(0, 1) <= z), accurate to 3.4e-14 of itself in the lower tail."""
    return cast(Array, _SPECIAL.ndtr(z))


def ndtri(p: Array) -> Array:
    """Quantile of N(0, 1)."""
    return cast(Array, _SPECIAL.ndtri(p))
