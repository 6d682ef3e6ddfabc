"""The geometry of "rival j beats k", diagonalised once, with the error of the diagonalisation accounted for.

With A = P_j - P_k, x = z - mu_k and h = P_j (mu_j - mu_k), the set of shifts d at which j beats k is

    { d : c + 2 b.d + d.A d <= 0 },   b = A x - h,   c = q_j(z) - q_k(z).

LAPACK gives A ~ V diag(a) V^T. Let V be the orthogonal matrix next to the computed one, at distance <= `tilt`
(polar factor), and let the spectral norm of A - V diag(a) V^T be <= `slack`. Then A >= V diag(a - slack) V^T
as quadratic forms, so that the set with a - slack in place of A contains the true one: its distance is a
lower bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ironbound.latent._rounding import TINY, UNIT, Array, accurate_product, gamma, norm
from ironbound.latent.quadratic import Quadratics

_LEAST = 1e-150  # of each coordinate of b: its square is a float64 with all its digits


@dataclass(frozen=True, eq=False)
class Basis:
    """Eigenbasis of P_j - P_k for one unordered pair; `vectors` is None when the axes already are one."""

    vectors: Array | None
    values: Array
    slack: Array
    """Shape (D,): A >= V diag(values - slack) V^T and A <= V diag(values + slack) V^T."""
    tilt: float


def diagonalise(q: Quadratics, j: int, k: int) -> Basis:
    """Eigenbasis of P_j - P_k with certified error bounds. Cost O(D^3), or O(D) for diagonal precisions."""
    if q.diagonal:
        first, second = q.factors[j] ** 2, q.factors[k] ** 2
        return Basis(None, first - second, 4.0 * UNIT * (first + second) + TINY, 0.0)
    (first, e1), (second, e2) = (accurate_product(q.factors[m], q.factors[m].T.copy()) for m in (j, k))
    difference = first - second
    # Of A itself: the two products, their difference, and the mean with the transpose.
    return _certified(difference, e1 + e2 + 4.0 * UNIT * norm(difference))


def diagonalise_one(q: Quadratics, k: int) -> Basis:
    """Eigenbasis of P_k itself."""
    if q.diagonal:
        values = q.factors[k] ** 2
        return Basis(None, values, 4.0 * UNIT * values + TINY, 0.0)
    product, error = accurate_product(q.factors[k], q.factors[k].T.copy())
    return _certified(product, error + 2.0 * UNIT * norm(product))


def _certified(matrix: Array, entries: float) -> Basis:
    """Eigenbasis of a symmetric matrix that is known up to `entries` in Frobenius norm."""
    symmetric = 0.5 * (matrix + matrix.T)
    values, vectors = np.linalg.eigh(symmetric)
    size = len(values)
    gram, gram_error = accurate_product(vectors.T.copy(), vectors, minus=np.eye(size))
    tilt = (norm(gram) + gram_error) * (1.0 + 1e-9)
    scaled = vectors * values
    residual, residual_error = accurate_product(symmetric, vectors, minus=scaled)
    largest = float(np.max(np.abs(values)))
    eigen = norm(residual) + residual_error + 2.0 * UNIT * norm(scaled) + tilt * (largest + norm(symmetric))
    slack = (entries + eigen) * (1.0 + 1e-9) + TINY
    return Basis(vectors, values, np.full(size, slack), tilt)


@dataclass(frozen=True, eq=False)
class Pair:
    """One ordered pair (own k, rival j), ready for inputs.

    `low` (D,) bounds the eigenvalues of A from below. The coordinates of b in the eigenbasis are
    values * (V^T x) - slope, up to `per_length` * |x| + `fixed`.
    """

    vectors: Array | None
    values: Array
    low: Array
    slope: Array
    per_length: Array
    fixed: Array

    @staticmethod
    def build(q: Quadratics, basis: Basis, own: int, rival: int, *, flip: bool) -> Pair:
        """`flip` tells that the basis was made for (own, rival) swapped, that is for -A."""
        values = -basis.values if flip else basis.values
        low = np.nextafter(values - basis.slack * (1.0 + 1e-9), -np.inf)
        wide = np.longdouble
        unit = float(np.finfo(wide).eps)
        move = q.means[rival].astype(wide) - q.means[own].astype(wide)
        factor = q.factors[rival].astype(wide)
        length = float(np.sqrt(np.sum(move * move)) * (1.0 + 1e-9))
        size = q.dimension
        if basis.vectors is None:
            slope = np.asarray(factor * factor * move, dtype=np.float64)
            # Coordinate by coordinate: the callers multiply per_length by |x_i| here, and by |x| otherwise.
            per_length = np.abs(values) * 4.0 * UNIT + basis.slack
            return Pair(None, values, low, slope, per_length, 8.0 * UNIT * np.abs(slope) + _LEAST)
        h = factor @ (factor.T @ move)
        slope = np.asarray(basis.vectors.T.astype(wide) @ h, dtype=np.float64)
        h_length = float(np.sqrt(np.sum(h * h)) * (1.0 + 1e-9))
        h_error = gamma(2 * size + 4, unit) * float(q.frobenius[rival]) ** 2 * length
        fixed = (h_error + (gamma(size + 2, unit) + basis.tilt) * (h_length + h_error)) * (1.0 + 1e-9)
        along = gamma(size + 3) * (1.0 + basis.tilt) + basis.tilt + 4.0 * UNIT
        per_length = (np.abs(values) * along + basis.slack) * (1.0 + 1e-9)
        return Pair(
            basis.vectors, values, low, slope, per_length, fixed + 4.0 * UNIT * np.abs(slope) + _LEAST
        )

    @staticmethod
    def alone(basis: Basis, sign: float) -> Pair:
        """Geometry of the quadric +-(|F^T x|^2 - rho^2) <= 0 about its own centre: A = sign P, b = sign P
        x.
        """
        values = sign * basis.values
        low = np.nextafter(values - basis.slack * (1.0 + 1e-9), -np.inf)
        size = values.size
        along = 4.0 * UNIT
        if basis.vectors is not None:
            along = gamma(size + 3) * (1.0 + basis.tilt) + basis.tilt + 4.0 * UNIT
        per_length = (np.abs(values) * along + basis.slack) * (1.0 + 1e-9)
        return Pair(basis.vectors, values, low, np.zeros(size), per_length, np.full(size, _LEAST))

    def squares(self, x: Array, length: Array) -> Array:
        """Upper bounds, shape (n, D), on the squared coordinates of b, up to `_dual.SQUARES_SLACK` of
        themselves.

        Args:
            x: z - mu_own, shape (n, D). length: upper bounds on |x|, shape (n,).
        """
        if self.vectors is None:
            size = x * self.values
            size -= self.slope
            np.abs(size, out=size)
            size += self.per_length * np.abs(x)
        else:
            size = x @ self.vectors
            size *= self.values
            size -= self.slope
            np.abs(size, out=size)
            size += np.multiply.outer(length, self.per_length)
        size += self.fixed
        size *= size
        return size
