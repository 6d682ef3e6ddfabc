"""The beta-mixture bound in float64, for many counts at once: fast, and never above the exact end.

The canonical value of one bound (ironbound.confidence.mixture) starts from here, and so do running bounds.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import special as untyped  # pyright: ignore[reportMissingTypeStubs]

from ironbound.confidence._checks import Counts
from ironbound.confidence._pairs import distinct

Array = NDArray[np.float64]
special = cast(Any, untyped)

_ITERATIONS = 200
# Up to this many counts at once (the classes of one input) are looked up one by one.
_FEW = 16
# Left end of the search, as log-odds: p = 1e-303. A bound below that is reported as 0.
_LEFT = -700.0


def fast_lower(k: Counts, n: Counts, alpha: float, prior: tuple[float, float]) -> Array:
    """Lower ends in float64, shape of `k`, for n >= 1. Safe: log M exceeds log 1/alpha by its rounding error.

    Newton's method on the log-odds of p0, inside a bracket. Each element stops by itself, so its value does
    not depend on its neighbours.
    """
    if k.size <= _FEW:
        each = [
            _remembered(i, j, alpha, prior)
            for i, j in zip(k.ravel().tolist(), n.ravel().tolist(), strict=True)
        ]
        return np.array(each, dtype=np.float64).reshape(k.shape)
    successes, trials, places = distinct(k, n)
    values = _solve(successes.astype(np.float64), trials.astype(np.float64), alpha, prior)
    return values[places].reshape(k.shape)


@lru_cache(maxsize=2**14)
def _remembered(k: int, n: int, alpha: float, prior: tuple[float, float]) -> float:
    """One end. Inputs that stop early are looked at after the same numbers of draws: many share counts."""
    return float(_solve(np.array([k], dtype=np.float64), np.array([n], dtype=np.float64), alpha, prior)[0])


def _solve(k: Array, n: Array, alpha: float, prior: tuple[float, float]) -> Array:
    needed = -np.log(alpha) + _rounding(n)
    # The end lies below k/n, and below the end of n successes of n, alpha^(1/n).
    high = -np.log(np.expm1(-np.log(alpha) / n))
    inner = k < n
    high[inner] = np.minimum(high[inner], special.logit(k[inner] / n[inner]))
    low = np.full(k.shape, _LEFT)
    at = np.clip(_wilson(k, n, 2.0 * (needed + 0.5 * np.log(n))), low + 1e-9, high)
    active = (k > 0) & (high > low)
    high = np.where(active, high, low)
    for _ in range(_ITERATIONS):
        if not bool(active.any()):
            break
        i = np.flatnonzero(active)
        value, slope = log_mixture(k[i], n[i], at[i], prior)
        gap = value - needed[i]
        safe = gap >= 0
        low[i] = np.where(safe, at[i], low[i])
        high[i] = np.where(safe, high[i], at[i])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = at[i] - gap / slope
        tiny = 1e-14 * (1.0 + np.abs(low[i]))
        # Newton converges from one side; a nudge to the safe side closes the other end of the bracket too.
        step = step - tiny
        outside = ~((step > low[i]) & (step < high[i]))
        step = np.where(outside, 0.5 * (low[i] + high[i]), step)
        active[i] = (high[i] - low[i] > 4.0 * tiny) & ~(safe & (gap < 1e-12 * needed[i]))
        at[i] = step
    bound = special.expit(low) * (1.0 - 2.0**-50)
    return np.where((k > 0) & (low > _LEFT), bound, 0.0)


def log_mixture(k: Array, n: Array, u: Array, prior: tuple[float, float]) -> tuple[Array, Array]:
    """log M_n at p0 = expit(u), and its derivative in u."""
    a, b = prior
    p, q = special.expit(u), special.expit(-u)
    log_p, log_q = -np.logaddexp(0.0, -u), -np.logaddexp(0.0, u)
    prior_rest = np.log(_survival(np.full_like(u, a), np.full_like(u, b), p, q)) + special.betaln(a, b)
    rest = np.log(_survival(a + k, b + n - k, p, q)) + special.betaln(a + k, b + n - k)
    value = rest - prior_rest - k * log_p - (n - k) * log_q
    hazard = np.exp(a * log_p + b * log_q - prior_rest)  # of the prior, per unit of u
    slope = -(k - n * p) + hazard * (-np.expm1(-value))
    return value, slope


def _survival(a: Array, b: Array, p: Array, q: Array) -> Array:
    """P(Beta(a, b) > p), from whichever of p and q = 1 - p is resolved better."""
    return cast(Array, np.where(p < 0.5, special.betaincc(a, b, p), special.betainc(b, a, q)))


def _rounding(n: Array) -> Array:
    """Bound on the rounding error of log M: a few hundred ulps of log Gamma(n)."""
    return 1e-10 + 256.0 * np.finfo(np.float64).eps * n * (1.0 + np.log(n))


def _wilson(k: Array, n: Array, z2: Array) -> Array:
    """Log-odds of the score interval's lower end at z^2: the first guess."""
    share = k / n
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(z2 * (share * (1.0 - share) / n + z2 / (4.0 * n * n)))
        end = (share + z2 / (2.0 * n) - spread) / (1.0 + z2 / n)
        guess = special.logit(np.clip(end, 1e-300, 1.0 - 1e-16))
    return np.where(np.isfinite(guess), guess, 0.0)
