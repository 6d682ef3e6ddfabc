"""Beta-mixture bounds: confidence bounds that stay valid whenever sampling was stopped.

For a point p0, with successes k of n so far and f(p) = p^k (1-p)^(n-k),

    M_n(p0) = int_{p0}^1 f(p)/f(p0) dPi(p),    Pi = Beta(a, b) restricted to [p0, 1] and normalised,

is a martingale of mean 1 when p0 is the true probability, so by Ville's inequality it ever reaches 1/alpha
with probability at most alpha (Robbins 1970; Howard et al. 2021, section 3). The lower bound of one count
is the largest c such that every p0 below c has M_n(p0) >= 1/alpha.

That set is an interval, because M_n falls wherever it exceeds 1. Write phi = (log f)' = k/p - (n-k)/(1-p),
S for the survival function of Beta(a, b) and h for its hazard rate. Then, at p0,

    M' = -phi M + h (M - 1),       M - 1 = int_{p0}^1 phi (f S)/(f(p0) S(p0)) dp.

p phi(p) falls, and p h(p) rises for every Beta(a, b) (in t = log p its density e^{at} (1-e^t)^(b-1) is
log-concave for b >= 1 and increasing for b < 1), so phi/h falls while phi > 0. Where phi(p0) > 0 the second
formula gives M - 1 < (phi/h)(p0) int (f h S)/(f(p0) S(p0)) = (phi/h)(p0) M, that is M' < 0. Where phi(p0)
<= 0, M <= 1.

For the upper bound the same prior is restricted to [0, p0]; it is the mirror image, with k and n - k
exchanged and a and b exchanged.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import overload

import numpy as np
from flint import arb, ctx
from numpy.typing import NDArray

from ironbound.confidence._canonical import decided, largest_safe, smallest_safe
from ironbound.confidence._checks import check_alpha, check_pair, check_prior
from ironbound.confidence._mixture_solve import fast_lower, log_mixture
from ironbound.confidence._pairs import each_pair

IntArray = NDArray[np.int64]
Array = NDArray[np.float64]

# Jeffreys' prior. Draws needed for the bound that Clopper-Pearson gives at a fixed n, as a ratio, at
# alpha = 0.001 (share of successes 0.9 / 0.99 / 0.999 / 1):
#                   n = 64                    n = 1,000                 n = 10,000
#   (1, 1)        1.50 1.36 1.32 1.31       1.79 1.55 1.38 1.32       2.06 1.79 1.55 1.32
#   (1/2, 1/2)    1.54 1.28 1.18 1.17       1.91 1.60 1.33 1.17       2.19 1.90 1.60 1.17
#   (1/4, 1/4)    1.62 1.29 1.12 1.09       2.03 1.69 1.35 1.09       2.33 2.03 1.69 1.09
#   (1/10, 1/10)  1.76 1.37 1.11 1.04       2.21 1.85 1.44 1.04       2.52 2.22 1.85 1.04
# a hardly matters for a lower bound; equal shapes serve upper bounds as well.
DEFAULT_PRIOR = (0.5, 0.5)


@overload
def beta_mixture_lower(k: int, n: int, alpha: float, prior: tuple[float, float] = ...) -> float: ...
@overload
def beta_mixture_lower(
    k: IntArray | list[int], n: IntArray | list[int] | int, alpha: float, prior: tuple[float, float] = ...
) -> Array: ...
def beta_mixture_lower(
    k: int | IntArray | list[int],
    n: int | IntArray | list[int],
    alpha: float,
    prior: tuple[float, float] = DEFAULT_PRIOR,
) -> float | Array:
    """Anytime-valid lower bound on a success probability, from one count of k successes in n draws.

    The largest float64 p0 with M_n(p0) >= 1/alpha (module docstring), decided by ball arithmetic; 0.0 for k
    = 0. The bounds of *all* n hold together with probability 1 - alpha, so draws may stop at any time, for
    any reason. Never above the Clopper-Pearson bound at the same counts.

    Args:
        k: successes, a whole number or an array of whole numbers.
        n: draws so far, >= 1. Broadcast against `k`.
        alpha: one-sided error probability, in (0, 1).
        prior: shapes (a, b) of the Beta mixture over p, fixed before the first draw.
    Returns:
        A float for scalar counts, otherwise float64 of the broadcast shape.
    Raises:
        InputError: a count is negative, k exceeds n, alpha lies outside (0, 1), or a shape is not positive.
        InputTypeError: a count is not a whole number.

    Example:
        >>> beta_mixture_lower(60, 64, alpha=0.001)
        0.7454445825449533
        >>> beta_mixture_lower([0, 64], 64, alpha=0.001).round(4).tolist()
        [0.0, 0.8816]
    """
    successes, trials = check_pair(k, n)
    level, shapes = check_alpha(alpha), check_prior(prior)
    return each_pair(lambda i, j: _lower(i, j, level, shapes), successes, trials)


@overload
def beta_mixture_upper(k: int, n: int, alpha: float, prior: tuple[float, float] = ...) -> float: ...
@overload
def beta_mixture_upper(
    k: IntArray | list[int], n: IntArray | list[int] | int, alpha: float, prior: tuple[float, float] = ...
) -> Array: ...
def beta_mixture_upper(
    k: int | IntArray | list[int],
    n: int | IntArray | list[int],
    alpha: float,
    prior: tuple[float, float] = DEFAULT_PRIOR,
) -> float | Array:
    """Anytime-valid upper bound: the smallest float64 p0 at which the mixture over [0, p0] reaches 1/alpha.

    Arguments, results and errors as for `beta_mixture_lower`; 1.0 for k = n.

    Example:
        >>> beta_mixture_upper(4, 64, alpha=0.001)
        0.2545554174550467
    """
    successes, trials = check_pair(k, n)
    level, shapes = check_alpha(alpha), check_prior(prior)
    return each_pair(lambda i, j: _upper(i, j, level, shapes), successes, trials)


@lru_cache(maxsize=65_536)
def _lower(k: int, n: int, alpha: float, prior: tuple[float, float]) -> float:
    if k == 0:
        return 0.0
    a, b = prior

    def safe(x: float) -> bool:
        # Undecided counts as unsafe: the bound is then one float64 lower than it might be.
        return 0.0 < x < 1.0 and decided(lambda: 1 - alpha * mixture(k, n, arb(x), 1 - arb(x), a, b)) is True

    return largest_safe(safe, _guess(k, n, alpha, prior))


@lru_cache(maxsize=65_536)
def _upper(k: int, n: int, alpha: float, prior: tuple[float, float]) -> float:
    if k == n:
        return 1.0
    a, b = prior

    def safe(x: float) -> bool:
        if x in (0.0, 1.0):
            return x == 1.0
        return decided(lambda: 1 - alpha * mixture(n - k, n, 1 - arb(x), arb(x), b, a)) is True

    return smallest_safe(safe, 1.0 - _guess(n - k, n, alpha, (b, a)))


def _guess(k: int, n: int, alpha: float, prior: tuple[float, float]) -> float:
    """Within a few ulps of the lower end: the float64 solution, then Newton steps on log M in 128 bits."""
    a, b = prior
    x = float(fast_lower(np.array([k]), np.array([n]), alpha, prior)[0])
    with ctx.workprec(128):
        for _ in range(3):
            if not 0.0 < x < 1.0:
                break
            excess = float((alpha * mixture(k, n, arb(x), 1 - arb(x), a, b)).log())
            odds = np.array([math.log(x) - math.log1p(-x)])
            slope = log_mixture(np.array([float(k)]), np.array([float(n)]), odds, prior)[1][0] / (
                x * (1.0 - x)
            )
            step = -excess / float(slope)
            if not abs(step) > 2.0**-53 * x:
                break
            x += step
    return x


def mixture(k: int, n: int, p: arb, q: arb, a: float, b: float) -> arb:
    """Ball around M_n(p) with q = 1 - p, at the current precision. 0 < p < 1, 1 <= k <= n.

    Both integrals over [p, 1] are incomplete beta functions. For q <= 1/2 their powers of p and q and the
    complete beta functions cancel in the ratio, and two series in q remain. For q > 1/2 that series is
    slow, and the complement, a series in p, is taken from the complete beta function.
    """
    left, right = arb(a) + k, arb(b) + (n - k)
    if q <= 0.5:
        return b * _series(left, right, q) / (right * _series(arb(a), arb(b), q))
    edge = (a * p.log() + b * q.log()).exp()
    whole = (_log_beta(left, right) - k * p.log() - (n - k) * q.log()).exp()
    posterior = whole - edge * _series(right, left, p) / left
    return posterior / (_log_beta(arb(a), arb(b)).exp() - edge * _series(arb(b), arb(a), p) / a)


def _series(a: arb, b: arb, x: arb) -> arb:
    """2F1(a + b, 1; b + 1; x) = sum of products of (a+b+i)/(b+1+i) x, for a, b > 0 and 0 < x < 1.

    int_0^x t^(b-1) (1-t)^(a-1) dt = x^b (1-x)^a / b times this (DLMF 8.17.8). All terms are positive. The
    ratios move monotonically towards x, so a geometric series with the larger of ratio and x bounds the
    rest.
    """
    upper, lower = a + b, b + 1
    term = total = arb(1)
    small = arb(2) ** (-int(ctx.prec))
    i = 0
    while True:
        term = term * (upper * x) / lower
        total += term
        upper, lower, i = upper + 1, lower + 1, i + 1
        if i % 16 == 0 and term < total * small:
            ratio = (upper * x / lower).max(x)
            if ratio < 1:
                return total.union(total + term * ratio / (1 - ratio))


def _log_beta(a: arb, b: arb) -> arb:
    return a.lgamma() + b.lgamma() - (a + b).lgamma()
