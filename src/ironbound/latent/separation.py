"""The distance of two ellipsoids: if they hold most of their classes and lie 2 r apart, radius r is within
reach.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize

from ironbound.latent._covariance import factor
from ironbound.latent._rounding import Array


def ellipsoid_distance(
    mean_i: Array, cov_i: Array, rho_i: float, mean_j: Array, cov_j: Array, rho_j: float
) -> float:
    """Distance of two ellipsoids {(z - mu)^T S^-1 (z - mu) <= rho^2}, rounded down; 0 if they meet.

    The largest gap between parallel supporting planes, max over |w| = 1 of
    w.(mu_j - mu_i) - rho_i |S_i^(1/2) w| - rho_j |S_j^(1/2) w|. Every w proves a lower bound; the best is
    searched.

    Example:
        >>> one = np.eye(2)
        >>> round(ellipsoid_distance(np.zeros(2), one, 1.0, np.array([5.0, 0.0]), one, 1.5), 6)
        2.5
    """
    move = mean_j - mean_i

    def gap(w: Array) -> tuple[float, Array]:
        along = [_times(c, w) for c in (cov_i, cov_j)]
        widths = [math.sqrt(max(float(w @ a), 1e-300)) for a in along]
        value = float(w @ move) - rho_i * widths[0] - rho_j * widths[1]
        return value, move - rho_i * along[0] / widths[0] - rho_j * along[1] / widths[1]

    def objective(w: Array) -> tuple[float, Array]:
        length = float(np.linalg.norm(w))
        value, slope = gap(w)
        return -value / length, -(slope - value / length * w / length) / length

    length = float(np.linalg.norm(move))
    if length == 0.0:
        return 0.0
    best = 0.0
    for start in (move / length, _solve(cov_i + cov_j, move)):
        w = start / np.linalg.norm(start)
        for _ in range(3):  # L-BFGS starts afresh where its line search gave up
            found = minimize(
                objective, w, jac=True, method="L-BFGS-B", options={"maxiter": 500, "ftol": 0, "gtol": 0}
            )
            w = np.asarray(found.x) / np.linalg.norm(found.x)
        value, _ = gap(w)
        doubt = 1e-12 * (abs(float(w @ move)) + length)
        best = max(best, value - doubt)
    return best


def _times(cov: Array, w: Array) -> Array:
    return cov * w if cov.ndim == 1 else cov @ w


def _solve(cov: Array, w: Array) -> Array:
    f = factor(cov)
    return f * f * w if f.ndim == 1 else f @ (f.T @ w)
