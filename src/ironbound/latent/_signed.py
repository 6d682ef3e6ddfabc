"""Signed distance to an ellipsoid, negative inside, between certified bounds.

Outside, the distance is that to a convex quadric; inside, that to the complement of one, whose hard case is
the rule at the centre. Both are the S-lemma dual of `_dual` (lower bound on the length) with a primal point
that is checked to lie on the other side (upper bound).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ironbound.latent import _dual
from ironbound.latent._pair import Basis, Pair, diagonalise_one
from ironbound.latent._rounding import UNIT, Array, lengths
from ironbound.latent.quadratic import Quadratics

_NUDGES = (0.0, 1e-15, 1e-14, 1e-13, 1e-12, 1e-11, 1e-9, 1e-7, 1e-5)


class SignedDistances:
    """Distances to the ellipsoids {|F_k^T(z - mu_k)| <= rho_k}, one for each class.

    Args:
        quadratics: one component per class; its offsets are not used.
        rho: shape (K,), positive.
    """

    def __init__(self, quadratics: Quadratics, rho: Array) -> None:
        self.quadratics = quadratics
        self.rho = rho
        self._bases: dict[int, Basis] = {}

    def __call__(self, z: Array) -> tuple[Array, Array]:
        """Lower and upper bounds, shape (N, K) each, on the signed distances."""
        count = len(self.rho)
        lower, upper = np.empty((len(z), count)), np.empty((len(z), count))
        for k in range(count):
            length, error = self._lengths(z, k)
            square = self.rho[k] * self.rho[k]
            gap = length - square
            doubt = error + 4.0 * UNIT * (length + square)
            for sign, rows in ((1.0, np.flatnonzero(gap >= 0.0)), (-1.0, np.flatnonzero(gap < 0.0))):
                if rows.size:
                    near, far = self._length_bounds(z[rows], k, sign, np.abs(gap[rows]) - doubt[rows])
                    lower[rows, k], upper[rows, k] = (near, far) if sign > 0.0 else (-far, -near)
        return lower, upper

    def _length_bounds(self, z: Array, k: int, sign: float, gap: Array) -> tuple[Array, Array]:
        """Bounds on the unsigned distance to the boundary of ellipsoid k."""
        if k not in self._bases:
            self._bases[k] = diagonalise_one(self.quadratics, k)
        basis = self._bases[k]
        pair = Pair.alone(basis, sign)
        x = z - self.quadratics.means[k]
        length = lengths(x)
        squares = pair.squares(x, length)
        lam = _dual.maximise(gap, squares, pair.low)
        near = np.sqrt(_dual.bound(lam, gap, squares, pair.low)) * (1.0 - 2.0 * UNIT)
        return near, self._reached(z, x, k, sign, lam, basis)

    def _reached(self, z: Array, x: Array, k: int, sign: float, lam: Array, basis: Basis) -> Array:
        """Length of a shift that certainly crosses the boundary; inf where none was found."""
        y = x if basis.vectors is None else x @ basis.vectors
        with np.errstate(all="ignore"):
            pivot = 1.0 + np.multiply.outer(lam, sign * basis.values)
            there = np.where(pivot > 0.0, y / pivot, y)
        if sign < 0.0:
            # The hard case: what the stiffest axis lacks to the boundary. Its sign is free at the centre.
            stiff = int(np.argmax(basis.values))
            rest = self.rho[k] ** 2 - (there * there) @ np.where(
                np.arange(y.shape[1]) == stiff, 0.0, basis.values
            )
            there[:, stiff] = np.copysign(np.sqrt(np.maximum(rest, 0.0) / basis.values[stiff]), y[:, stiff])
        moved = there if basis.vectors is None else there @ basis.vectors.T
        with np.errstate(all="ignore"):  # on the boundary, as far as float64 goes
            scale = self.rho[k] / np.sqrt(self._lengths(self.quadratics.means[k] + moved, k)[0])
        moved *= np.where(np.isfinite(scale), scale, 1.0)[:, None]
        far = np.full(len(z), np.inf)
        for nudge in _NUDGES:
            rows = np.flatnonzero(np.isinf(far))
            if not rows.size:
                break
            point = self.quadratics.means[k] + moved[rows] * (1.0 - sign * nudge)
            crossed = self._certainly(point, k, sign)
            step = point[crossed] - z[rows[crossed]]
            far[rows[crossed]] = lengths(step)
        return far

    def _certainly(self, point: Array, k: int, sign: float) -> NDArray[np.bool_]:
        """Whether points lie inside (sign 1) or outside (sign -1) ellipsoid k beyond rounding."""
        length, error = self._lengths(point, k)
        square = self.rho[k] * self.rho[k]
        return sign * (length - square) < -(error + 4.0 * UNIT * (length + square))

    def _lengths(self, z: Array, k: int) -> tuple[Array, Array]:
        only = self.quadratics.only(k)
        scores, errors = only.bounded_scores(z)
        return scores[:, 0], errors[:, 0]
