"""Linear class scores (equal covariances): the radius is a quotient, so thousands of classes stay cheap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from ironbound.errors import wrong_value
from ironbound.latent._rounding import UNIT, Array, frozen, gamma, lengths
from ironbound.latent._threads import by_blocks
from ironbound.latent.radius import Radii

Labels = NDArray[np.int64]

_BLOCK = 1 << 20


@dataclass(frozen=True, eq=False)
class LinearScores:
    """Scores s_m(z) = w_m.(z - center) + o_m of M components; the highest wins, for its owner.

    The distance from z to where j beats k is (s_k - s_j) / |w_k - w_j|: the case A = 0 of the quadratic dual.

    Args:
        weights: shape (M, D). offsets: shape (M,). center: shape (D,). owner: shape (M,), class of each
        component.

    Example:
        >>> line = LinearScores.build(np.array([[0.0], [2.0]]), np.array([0.0, -2.0]))
        >>> found = line.radii(np.array([[3.0], [1.0]]))
        >>> found.prediction.tolist(), bool(2.0 - 1e-12 < found.radius[0] <= 2.0), found.radius[1].item()
        ([1, 0], True, 0.0)
    """

    weights: Array
    offsets: Array
    center: Array
    owner: Labels
    apart: Array
    """Shape (M, M): upper bounds on |w_m - w_l|."""

    @staticmethod
    def build(
        weights: Array, offsets: Array, center: Array | None = None, owner: Labels | None = None
    ) -> LinearScores:
        weights = np.array(weights, dtype=np.float64)
        offsets = np.array(offsets, dtype=np.float64)
        if weights.ndim != 2 or offsets.shape != weights.shape[:1]:
            raise wrong_value("weights, offsets", (weights.shape, offsets.shape), "of shapes (M, D) and (M,)")
        center = np.zeros(weights.shape[1]) if center is None else np.array(center, dtype=np.float64)
        owner = np.arange(len(weights)) if owner is None else np.array(owner, dtype=np.int64)
        if not (
            np.all(np.isfinite(weights)) and np.all(np.isfinite(offsets)) and np.all(np.isfinite(center))
        ):
            raise wrong_value("weights, offsets, center", "NaN or infinity", "finite numbers")
        apart: Array = np.asarray(cdist(weights, weights), dtype=np.float64) * (
            1.0 + gamma(weights.shape[1] + 4)
        )
        for m in np.flatnonzero((apart < 1e-140).sum(axis=1) > 1):  # squares below the smallest float64
            near = np.flatnonzero(apart[m] < 1e-140)
            apart[m, near] = lengths(weights[near] - weights[m])
        return LinearScores(frozen(weights), frozen(offsets), frozen(center), owner, frozen(apart))

    @property
    def classes(self) -> int:
        return int(self.owner.max()) + 1

    def scores(self, z: Array) -> Array:
        """s_m(z), shape (N, M)."""
        return (z - self.center) @ self.weights.T + self.offsets

    def radii(self, z: Array) -> Radii:
        """Distance of each row of z (N, D) to the nearest other class, rounded down.

        Exact for one component per class; with several, the largest distance that one own component proves.
        """
        if not len(z):
            none = np.zeros(0, dtype=np.int64)
            return Radii(np.zeros(0), none, none, none, np.zeros(0))
        block = max(1, _BLOCK // len(self.weights))
        parts = by_blocks(lambda rows: self._rows(z[rows]), len(z), block)
        return Radii(
            *(np.concatenate([getattr(p, name) for p in parts]) for name in Radii.__dataclass_fields__)
        )

    def gaps(self, z: Array, own: int) -> Array:
        """s_own - s_m for one input z (D,), rounded down; shape (M,)."""
        x = (z - self.center)[None]
        scores = x @ self.weights.T + self.offsets
        return (scores[0, own] - scores[0] - self._error(x, scores)[0]) * (1.0 - 4.0 * UNIT)

    def _rows(self, z: Array) -> Radii:
        x = z - self.center
        scores = x @ self.weights.T
        scores += self.offsets
        best = np.argmax(scores, axis=1)
        prediction = self.owner[best]
        error = self._error(x, scores)
        n = len(z)
        radius, component, rival = self._against(scores, best, prediction, error)
        if self.classes < len(self.weights):
            for m in range(len(self.weights)):
                rows = np.flatnonzero((prediction == self.owner[m]) & (best != m))
                if rows.size:
                    own = np.full(rows.size, m)
                    found = self._against(scores[rows], own, prediction[rows], error[rows])
                    better = found[0] > radius[rows]
                    for whole, part in zip((radius, component, rival), found, strict=True):
                        whole[rows[better]] = part[better]
        return Radii(radius, prediction, component, rival, np.full(n, np.nan))

    def _against(
        self, scores: Array, own: Labels, label: Labels, error: Array
    ) -> tuple[Array, Labels, Labels]:
        """Distance from the region of component `own` to the components of other classes; shape (n,) each."""
        ahead = np.take_along_axis(scores, own[:, None], axis=1) - error[:, None]
        ahead = ahead - scores
        with np.errstate(all="ignore"):
            ahead /= self.apart[own]
        if self.classes == len(self.owner):
            ahead[np.arange(len(own)), own] = np.inf
        else:
            ahead[self.owner[None, :] == label[:, None]] = np.inf
        rival = np.argmin(ahead, axis=1)
        radius = np.take_along_axis(ahead, rival[:, None], axis=1)[:, 0] * (1.0 - 8.0 * UNIT)
        # nan (two equal components at a tie) and negative values both mean: nothing is proved.
        return np.where(radius > 0.0, radius, 0.0), own.copy(), rival

    def _error(self, x: Array, scores: Array) -> Array:
        """Bounds, shape (n,), on the error of a difference of two computed scores."""
        length, widest = lengths(x), float(np.max(lengths(self.weights)))
        largest = np.max(np.abs(scores), axis=1) + float(np.max(np.abs(self.offsets)))
        return 2.0 * (gamma(x.shape[1] + 4) * widest * length + 4.0 * UNIT * largest)
