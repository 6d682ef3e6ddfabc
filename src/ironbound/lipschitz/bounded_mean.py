"""Lower confidence bounds on the mean of bounded draws.

Two rules: the empirical Bernstein bound in closed form, and the betting bound, which is tighter. Both hold
for every distribution on the interval, at a sample size fixed in advance.
Sources: Maurer & Pontil 2009 (arXiv 0907.3740), theorem 4; Waudby-Smith & Ramdas 2024, "Estimating means of
bounded random variables by betting" (JRSS-B; arXiv 2010.09686), sections 3 and 4.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ironbound.errors import wrong_value

Array = NDArray[np.float64]
Rule = Literal["betting", "bernstein"]

_EPS = 2.0**-52
# A bet risks at most this share of the capital on one draw.
_CAP = 0.75
_BISECTIONS = 45


def mean_lower(
    values: Array, alpha: float, *, low: float = 0.0, high: float = 1.0, rule: Rule = "betting"
) -> Array:
    """Lower confidence bound on the mean of independent draws in [low, high], rounded down.

    Args:
        values: shape (..., n), n >= 2; one bound per leading index. The order of the draws matters for
            "betting": it must not depend on their values.
        alpha: one-sided error probability of each bound, in (0, 1).
        low, high: the interval that holds every draw. A NaN counts as `low`.
        rule: "betting" or "bernstein".
    Returns:
        Shape (...); P(bound <= mean) >= 1 - alpha. It is `low` where nothing is proven.
    Raises:
        InputError: a draw outside [low, high], fewer than two draws, or an argument out of range.

    Example:
        >>> draws = np.tile([0.6, 0.8], 500)
        >>> bounds = [mean_lower(draws, 0.01, rule=r).item() for r in ("bernstein", "betting")]
        >>> bounds[0] < bounds[1] < 0.7
        True
    """
    draws = np.asarray(values, dtype=np.float64)
    if draws.ndim < 1 or draws.shape[-1] < 2:
        raise wrong_value("values", draws.shape, "of shape (..., n) with at least 2 draws")
    if not 0.0 < alpha < 1.0:
        raise wrong_value("alpha", alpha, "an error probability in (0, 1)")
    if not -math.inf < low < high < math.inf:
        raise wrong_value("low, high", (low, high), "finite with low < high")
    if rule not in ("betting", "bernstein"):
        raise wrong_value("rule", rule, '"betting" or "bernstein"')
    draws = np.where(np.isnan(draws), low, draws)
    if draws.size and (float(draws.min()) < low or float(draws.max()) > high):
        raise wrong_value("values", (float(draws.min()), float(draws.max())), f"within [{low}, {high}]")
    # In units of the interval, rounded down: a smaller draw has a smaller mean, so the bound stays valid.
    unit = np.clip((draws - low) / (high - low) * (1.0 - 4 * _EPS), 0.0, 1.0)
    bound = _betting(unit, alpha) if rule == "betting" else _bernstein(unit, alpha)
    scaled = low + bound * (high - low)
    return np.maximum(scaled - 4 * _EPS * (abs(low) + abs(high)), low)


def _bernstein(x: Array, alpha: float) -> Array:
    n = x.shape[-1]
    log = math.log(2.0 / alpha)
    spread = np.sqrt(2.0 * x.var(axis=-1, ddof=1) * log / n)
    value = x.mean(axis=-1) - spread - 7.0 * log / (3.0 * (n - 1))
    return np.clip(value - (n + 20) * _EPS, 0.0, 1.0)


def _betting(x: Array, alpha: float) -> Array:
    """The largest m found at which betting against "the mean is at most m" multiplies the capital by 1/alpha.

    Capital after t draws: prod (1 + b_i (x_i - m)), with bets b_i >= 0 that know only earlier draws, capped
    at 0.75 / m. It is a nonnegative martingale where m is the mean, so by Ville's inequality it reaches
    1/alpha with probability at most alpha. Each factor decreases in m: all smaller m are rejected as well.
    """
    n = x.shape[-1]
    bets = np.sqrt(2.0 * math.log(1.0 / alpha) / (n * _earlier_variance(x)))
    goal = -math.log(alpha) * (1.0 + 4 * _EPS)
    lo, hi = np.zeros(x.shape[:-1]), np.ones(x.shape[:-1])
    zero_fails = ~_rejected(x, bets, lo, goal)
    for _ in range(_BISECTIONS):
        middle = (lo + hi) / 2
        rejected = _rejected(x, bets, middle, goal)
        lo, hi = np.where(rejected, middle, lo), np.where(rejected, hi, middle)
    return np.where(zero_fails, 0.0, lo)


def _earlier_variance(x: Array) -> Array:
    """Variance estimate before each draw, with half a draw of mean 1/2 and variance 1/4 as a start."""
    count = np.arange(1, x.shape[-1] + 1)
    means = (0.5 + np.cumsum(x, axis=-1)) / (count + 1)
    variances = (0.25 + np.cumsum((x - means) ** 2, axis=-1)) / (count + 1)
    first = np.full((*x.shape[:-1], 1), 0.25)
    return np.concatenate([first, variances[..., :-1]], axis=-1)


def _rejected(x: Array, bets: Array, m: Array, goal: float) -> NDArray[np.bool_]:
    """Whether the capital reached the goal at some draw, in spite of all rounding."""
    mean = m[..., None]
    with np.errstate(divide="ignore"):
        capped = np.minimum(bets, _CAP / mean)
    terms = np.log1p(capped * (x - mean))
    # A sum of n terms errs by at most n eps/2 of the sum of their sizes, each term by a few eps.
    slack = (x.shape[-1] + 20) * _EPS * np.cumsum(np.abs(terms), axis=-1)
    return (np.cumsum(terms, axis=-1) - slack >= goal).any(axis=-1)
