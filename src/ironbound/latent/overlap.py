"""How much two Gaussian classes must overlap once an attacker may move each input by a given length.

Two statements about *every* classifier (math: GML, section on existence): a lower bound on the robust error
for any two Gaussians, and the least robust error itself when the covariances agree.
"""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from ironbound.latent._rounding import Array

SLACK = 1e-9
"""Relative allowance for rounding in numbers that are not decided bit by bit."""


def nearest_shift(move: Array, covariance: Array, reach: float) -> tuple[Array, float]:
    """The shift d, |d| <= reach, that minimises (m - d)^T S^-1 (m - d), and the minimum. A trust-region
    problem.

    Args:
        move: m, shape (D,). covariance: S, shape (D, D) or (D,). reach: length of d allowed.

    Example:
        >>> round(nearest_shift(np.array([4.0, 0.0]), np.eye(2), 1.0)[1], 9)
        9.0
    """
    if covariance.ndim == 1:
        values, vectors = covariance, np.eye(len(covariance))
    else:
        values, vectors = np.linalg.eigh(covariance)
    y = vectors.T @ move
    length = float(np.linalg.norm(y))
    if length <= reach:
        return move.copy(), 0.0
    if reach <= 0.0:
        return np.zeros_like(move), float(np.sum(y * y / values))

    # (S^-1 + nu) d = S^-1 m, that is d_i = m_i / (1 + nu s_i); |d| falls in nu.
    def excess(nu: float) -> float:
        return float(np.linalg.norm(y / (1.0 + nu * values))) - reach

    high = length / reach / float(values.min())
    nu = float(cast(Any, brentq)(excess, 0.0, high, xtol=1e-300, rtol=1e-14))
    d = y / (1.0 + nu * values)
    # 1 - 1/(1 + nu s) = nu s / (1 + nu s): no cancellation.
    rest = y * nu * values / (1.0 + nu * values)
    return vectors @ d, float(np.sum(rest * rest / values))


def overlap_bound(
    mean_i: Array, cov_i: Array, mean_j: Array, cov_j: Array, radius: float, weight: float = 0.5
) -> float:
    """Lower bound on the robust error at `radius` of any classifier of two Gaussian classes, rounded down.

    (1 - sqrt(1 - 4 w (1 - w) BC^2)) / 2 with BC the Bhattacharyya coefficient of the two laws after they were
    moved towards each other by `radius` each.

    Args:
        mean_i, mean_j: shape (D,). cov_i, cov_j: shape (D, D) or (D,). weight: w, the prior of class i.

    Example:
        >>> one = np.eye(1)
        >>> 0 < overlap_bound(np.zeros(1), one, np.array([4.0]), one, 1.0) < 0.1587  # exact: 0.1587
        True
    """
    middle = 0.5 * (cov_i + cov_j)
    _, distance = nearest_shift(mean_i - mean_j, middle, 2.0 * radius)
    dets = _log_det(middle) - 0.5 * (_log_det(cov_i) + _log_det(cov_j))
    squared = math.exp(-0.25 * distance - dets) * (1.0 - SLACK)  # BC^2
    product = min(4.0 * weight * (1.0 - weight) * squared, 1.0)
    # (1 - sqrt(1 - x)) / 2 = x / (2 (1 + sqrt(1 - x)))
    return product / (2.0 * (1.0 + math.sqrt(1.0 - product))) * (1.0 - SLACK)


def optimal_robust_error(
    mean_i: Array, mean_j: Array, cov: Array, radius: float, weight: float = 0.5
) -> float:
    """The least robust error at `radius` that any classifier of N(mean_i, S), N(mean_j, S) can have.

    The shift d, |d| <= radius, that brings the classes nearest leaves them 2a apart in Mahalanobis distance,
    a = |S^(-1/2)((mean_i - mean_j)/2 - d)|; the Bayes error of what is left is attained by a linear rule:
    Phi(-a) for equal priors. To about 1e-12.

    Example:
        >>> round(optimal_robust_error(np.array([4.0]), np.zeros(1), np.eye(1), 1.0), 6)  # Phi(-1)
        0.158655
    """
    _, square = nearest_shift(0.5 * (mean_i - mean_j), cov, radius)
    a = math.sqrt(square)
    if a == 0.0:
        return min(weight, 1.0 - weight)
    tilt = math.log((1.0 - weight) / weight) / (2.0 * a)
    return float(weight * ndtr(tilt - a) + (1.0 - weight) * ndtr(-tilt - a))


def _log_det(cov: Array) -> float:
    return float(np.sum(np.log(cov))) if cov.ndim == 1 else float(np.linalg.slogdet(cov)[1])
