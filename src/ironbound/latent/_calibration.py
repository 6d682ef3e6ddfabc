"""How large an ellipsoid must be to hold its class: Gaussian quantile, its finite-sample form, split
conformal.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, cast

import numpy as np
from scipy import stats

from ironbound.errors import InputError
from ironbound.latent._rounding import Array

_OUTWARD = 1.0 + 1e-9  # SciPy's quantiles are accurate to far better than this


def gaussian_radius(coverage: float, size: int) -> float:
    """rho with P(|x| <= rho) >= coverage for x ~ N(0, I_size): the chi quantile, rounded up.

    Example:
        >>> round(gaussian_radius(0.95, 1), 3)
        1.96
    """
    return math.sqrt(_chi_square(coverage, size)) * _OUTWARD


def inflated_radius(coverage: float, size: int, count: int, excess: float, delta: float, name: str) -> float:
    """rho of an ellipsoid fitted to `count` Gaussian draws that covers the true law, but for probability
    delta.

    With S the true and T the sample covariance (divisor n) of n draws, n T = S^(1/2) G^T G S^(1/2) for a
    Gaussian G of shape (n - 1, D), whose smallest singular value exceeds sqrt(n - 1) - sqrt(D) - t but with
    probability exp(-t^2 / 2) (Davidson and Szarek 2001, theorem II.13); and sqrt(n) S^(-1/2)(mean - mu) ~
    N(0, I). Hence |T^(-1/2)(z - mean)| <= (|S^(-1/2)(z - mu)| + |S^(-1/2)(mean - mu)|) sqrt(n) / (sqrt(n - 1)
    - sqrt(D) - t).

    The ellipsoid may use another matrix U, such as a shrunk covariance: T <= excess U costs sqrt(excess).

    Args:
        excess: the largest eigenvalue of U^-1 T; 1 for the sample covariance itself.
    Raises:
        InputError: too few draws for any statement; the message says how many would do.
    """
    t = math.sqrt(2.0 * math.log(2.0 / delta))
    least = math.sqrt(count - 1) - math.sqrt(size) - t
    if not least > 0.0:
        needed = math.ceil((math.sqrt(size) + t) ** 2) + 2
        raise InputError(
            f"{name} has {count} samples in {size} dimensions: no coverage can be stated with confidence "
            f'{1.0 - delta:g}; take {needed} or more, reduce the dimension, or use calibration="conformal"'
        )
    center = math.sqrt(_chi_square(1.0 - delta / 2.0, size) / count)
    widen = math.sqrt(count) / least * math.sqrt(excess)
    return (math.sqrt(_chi_square(coverage, size)) + center) * widen * _OUTWARD


def conformal_radius(scores: Array, coverage: float, delta: float | None, name: str) -> float:
    """The order statistic of held-out scores below which a new draw falls with probability >= coverage.

    Args:
        scores: shape (m,), of draws that the fit has not seen, exchangeable with future ones.
        delta: None for coverage on average over the calibration draw (Vovk et al. 2005; Lei et al. 2018);
        else
            the probability, over that draw, of ending with less: the coverage given the draw is Beta
            distributed.
    Raises:
        InputError: too few scores; the message says how many do.

    Example:
        >>> conformal_radius(np.arange(1.0, 100.0), 0.9, None, "class 0")
        90.0
    """
    count = len(scores)
    ordered = np.sort(scores)
    if delta is None:
        share = Fraction(repr(float(coverage)))  # 0.9 means nine tenths, not the float64 next to it
        rank = math.ceil((count + 1) * share)
        needed = math.ceil(share / (1 - share))
    else:
        # P(coverage of the rank-th score < coverage) = P(Binomial(count, coverage) >= rank).
        tail = np.asarray(cast(Any, stats.binom).sf(np.arange(count), count, coverage))
        enough = np.flatnonzero(tail <= delta * (1.0 - 1e-9))
        rank = int(enough[0]) + 1 if enough.size else count + 1
        needed = math.ceil(math.log(delta) / math.log(coverage))
    if rank > count:
        raise InputError(
            f"{name} keeps {count} samples for calibration, too few for coverage {coverage:g}; "
            f"{needed} or more would do: raise calibration_share, lower coverage, or bring more data"
        )
    return float(ordered[rank - 1])


def _chi_square(probability: float, size: int) -> float:
    return float(cast(Any, stats.chi2).ppf(probability, size))
