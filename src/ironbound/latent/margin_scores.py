"""Scores that are only known to be Lipschitz, as certificates: the ellipsoid classifier's two metrics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ironbound.latent._rounding import UNIT, Array, frozen
from ironbound.latent._signed import SignedDistances
from ironbound.latent.margins import lipschitz_margin
from ironbound.latent.quadratic import Quadratics
from ironbound.latent.radius import Radii


@dataclass(frozen=True, eq=False)
class EllipsoidScores:
    """Scores of K ellipsoids {|F_k^T(z - mu_k)| <= rho_k}; the lowest wins.

    Args:
        quadratics: F and mu, one component for each class; offsets are not used.
        rho: shape (K,), positive.
        metric: "mahalanobis", |F_k^T(z - mu_k)| - rho_k, or "distance", the signed Euclidean distance.
    """

    quadratics: Quadratics
    rho: Array
    metric: str
    distances: SignedDistances

    @staticmethod
    def build(quadratics: Quadratics, rho: Array, metric: str) -> EllipsoidScores:
        rho = frozen(np.array(rho, dtype=np.float64))
        return EllipsoidScores(quadratics, rho, metric, SignedDistances(quadratics, rho))

    @property
    def owner(self) -> NDArray[np.int64]:
        """Class of each ellipsoid, (K,)."""
        return np.arange(len(self.rho))

    @property
    def slopes(self) -> Array:
        """Upper bounds (K,) on the Lipschitz constants of the scores."""
        return self.quadratics.lipschitz if self.metric == "mahalanobis" else np.ones(len(self.rho))

    def bounds(self, z: Array) -> tuple[Array, Array]:
        """Lower and upper bounds on the scores, (N, K) each."""
        if self.metric == "distance":
            return self.distances(z)
        squares, errors = self.quadratics.bounded_scores(z)
        lower = np.sqrt(np.maximum(squares - errors, 0.0))
        upper = np.sqrt(squares + errors)
        rounding = 8.0 * UNIT * (upper + self.rho)
        return lower - self.rho - rounding, upper - self.rho + rounding

    def radii(self, z: Array) -> Radii:
        """Closed-form radii of inputs z (N, D): min_j (s_j - s_k) / (L_k + L_j), rounded down."""
        lower, upper = self.bounds(z)
        best = np.argmin(lower + upper, axis=1)
        gap, slope = self._gaps(lower, upper, best), self.slopes
        margin = lipschitz_margin(gap, slope[best][:, None], slope[None, :])
        margin[np.arange(len(z)), best] = np.inf
        rival = np.argmin(margin, axis=1)
        return Radii(margin.min(axis=1), best, best.copy(), rival, np.full(len(z), np.nan))

    def axes(self, z: Array, own: int) -> list[tuple[int, float, float]]:
        """For each rival j of `own` at one z (D,): j, a lower bound on s_j - s_own, and L_own + L_j."""
        lower, upper = self.bounds(z[None])
        gaps = self._gaps(lower, upper, np.array([own]))[0]
        total = (self.slopes[own] + self.slopes) * (1.0 + 4.0 * UNIT)
        return [(j, float(gaps[j]), float(total[j])) for j in range(len(self.rho)) if j != own]

    @staticmethod
    def _gaps(lower: Array, upper: Array, best: NDArray[np.intp]) -> Array:
        """s_j - s_best, (N, K), rounded down."""
        gap = lower - np.take_along_axis(upper, best[:, None], axis=1)
        return gap - 4.0 * UNIT * np.abs(gap)
