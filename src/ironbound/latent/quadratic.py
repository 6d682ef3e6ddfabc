"""Quadratic class scores, and how far their float64 values can lie from the real ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ironbound.errors import wrong_value
from ironbound.latent._rounding import TINY, UNIT, Array, frozen, gamma, lengths
from ironbound.latent._threads import by_blocks

Labels = NDArray[np.int64]

_STEEPEST = 1e145  # with room for its square, a precision, to be split in halves
_BLOCK = 1 << 19  # float64 numbers of one block of rows; about the second-level cache


@dataclass(frozen=True, eq=False)
class Quadratics:
    """Scores q_m(z) = |F_m^T (z - mu_m)|^2 + o_m of M components; the lowest score wins, for its owner.

    The numbers stored here *are* the classifier: a radius is exact for them, taken as real numbers.

    Args:
        factors: shape (M, D, D), precision P_m = F_m F_m^T; or (M, D), P_m = diag(F_m^2).
        means: shape (M, D).
        offsets: shape (M,).
        owner: shape (M,), the class index of each component, 0..K-1.
    Raises:
        InputError: shapes disagree, a number is not finite, or a precision would not be.

    Example:
        >>> q = Quadratics.build(np.ones((2, 1)), np.array([[0.0], [3.0]]), np.zeros(2))
        >>> q.scores(np.array([[1.0]]))
        array([[1., 4.]])
    """

    factors: Array
    means: Array
    offsets: Array
    owner: Labels
    lipschitz: Array
    """Shape (M,): upper bound on the spectral norm of F_m, so that |F_m^T(z - mu_m)| is that Lipschitz."""
    frobenius: Array
    """Shape (M,): upper bound on the Frobenius norm of F_m."""

    @staticmethod
    def build(factors: Array, means: Array, offsets: Array, owner: Labels | None = None) -> Quadratics:
        means = np.array(means, dtype=np.float64)
        factors = np.array(factors, dtype=np.float64)
        offsets = np.array(offsets, dtype=np.float64)
        owner = np.arange(len(means)) if owner is None else np.array(owner, dtype=np.int64)
        if means.ndim != 2:
            raise wrong_value("means", means.shape, "an array of shape (M, D)")
        count, size = means.shape
        if factors.shape not in ((count, size), (count, size, size)):
            raise wrong_value(
                "factors", factors.shape, f"of shape ({count}, {size}[, {size}]), as the means say"
            )
        if offsets.shape != (count,) or owner.shape != (count,):
            raise wrong_value("offsets, owner", (offsets.shape, owner.shape), f"each of shape ({count},)")
        for name, values in (("factors", factors), ("means", means), ("offsets", offsets)):
            if not np.all(np.isfinite(values)):
                raise wrong_value(name, values, "finite numbers")
        flat = lengths(factors.reshape(count, -1))
        if not np.max(flat, initial=0.0) < _STEEPEST:
            raise wrong_value(
                "factors", float(flat.max()), f"of a norm below {_STEEPEST:g}; give latents in larger units"
            )
        if factors.ndim == 2:
            spectral = np.max(np.abs(factors), axis=1)
        else:
            # The backward error of an SVD is a small multiple of D u; 1e-10 covers every D that fits in
            # memory.
            singular = np.linalg.svd(factors, compute_uv=False)
            spectral = singular[:, 0] * (1.0 + 1e-10)
        norms = frozen(np.minimum(spectral, flat)), frozen(flat)
        return Quadratics(frozen(factors), frozen(means), frozen(offsets), owner, *norms)

    @property
    def dimension(self) -> int:
        return self.means.shape[1]

    @property
    def diagonal(self) -> bool:
        return self.factors.ndim == 2

    @property
    def classes(self) -> int:
        return int(self.owner.max()) + 1

    def only(self, m: int) -> Quadratics:
        """Component m alone, without its offset."""
        part = slice(m, m + 1)
        zero = np.zeros(1)
        owner = np.zeros(1, dtype=np.int64)
        return Quadratics(
            self.factors[part], self.means[part], zero, owner, self.lipschitz[part], self.frobenius[part]
        )

    def lengths(self, z: Array, m: int) -> tuple[Array, Array]:
        """Shape (n,) each: |F^T(z - mu)|^2 for component m, and |z - mu|^2."""
        x = z - self.means[m]
        t = x * self.factors[m] if self.diagonal else x @ self.factors[m]
        return np.einsum("ij,ij->i", t, t), np.einsum("ij,ij->i", x, x)

    def scores(self, z: Array) -> Array:
        """q_m(z), shape (N, M), by blocks on all cores."""
        parts = by_blocks(lambda rows: self.bounded_scores(z[rows])[0], len(z), _BLOCK // self.dimension + 1)
        return np.concatenate(parts) if parts else np.zeros((0, len(self.means)))

    def bounded_scores(self, z: Array) -> tuple[Array, Array]:
        """Scores of shape (N, M), and bounds of the same shape on their distance from the real values.

        With t = F^T x, the computed t errs by at most gamma |F_column| |x| in each entry, so that |t|^2 errs
        by 2 gamma |t| |F| |x| + (gamma |F| |x|)^2, plus the rounding of the sum itself.
        """
        count, size = len(self.means), self.dimension
        q, error = np.empty((len(z), count)), np.empty((len(z), count))
        per_entry = gamma(3 if self.diagonal else size + 2)
        of_sum = gamma(size + 2)
        step = max(64, _BLOCK // size)
        for start in range(0, len(z), step):
            rows = slice(start, start + step)
            for m in range(count):
                square, moved = self.lengths(z[rows], m)
                if self.diagonal:  # each entry errs relative to itself
                    drift = 3.0 * per_entry * square
                else:
                    slack = per_entry * self.frobenius[m] * np.sqrt(moved + 1e20 * TINY) * (1.0 + 1e-12)
                    drift = slack * (2.0 * np.sqrt(square) + 3.0 * slack)
                q[rows, m] = square + self.offsets[m]
                error[rows, m] = drift + of_sum * square + 4.0 * UNIT * np.abs(q[rows, m]) + TINY
        return q, error * (1.0 + 1e-9)
