"""Arrays of counts, worked on once per distinct pair (k, n)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ironbound.confidence._checks import Counts


def distinct(k: Counts, n: Counts) -> tuple[Counts, Counts, NDArray[np.intp]]:
    """The distinct pairs, each of shape (m,), and for every input, flattened, the place of its pair.

    Counts stay below 2**31 (checked at the door), so a pair fits one int64 and sorts fast.
    """
    keys, places = np.unique((n.ravel() << 32) | k.ravel(), return_inverse=True)
    return keys & (2**32 - 1), keys >> 32, places.reshape(-1)


def each_pair(bound: Callable[[int, int], float], k: Counts, n: Counts) -> float | NDArray[np.float64]:
    """Apply a scalar bound to arrays of counts. Scalars in, float out."""
    if k.ndim == 0:
        return bound(int(k), int(n))
    successes, trials, places = distinct(k, n)
    pairs = zip(successes.tolist(), trials.tolist(), strict=True)
    values = np.array([bound(i, j) for i, j in pairs], dtype=np.float64)
    return values[places].reshape(k.shape)
