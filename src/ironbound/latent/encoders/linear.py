"""Linear encoders: the latent radius is then nearly all there is to know about the input.

For a projection with orthonormal rows the radius in input space is that in the latent, and exact: the nearest
input of another class lies in the row space.
"""

from __future__ import annotations

import hashlib
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh

from ironbound.errors import wrong_value
from ironbound.latent._rounding import Array, frozen, gamma, lengths, norm
from ironbound.latent._threads import single_blas
from ironbound.latent.encoder_record import EncoderStep


class LinearEncoder:
    """E(x) = W (x - c) for inputs of any shape, flattened; float64.

    Args:
        weight: W, shape (D, n). center: c, shape (n,); zeros if None. name: for certificates.
    Raises:
        InputError: shapes that do not fit, or numbers that are not finite.

    Example:
        >>> half = LinearEncoder(0.5 * np.eye(2))
        >>> latents, errors = half.encode(np.array([[2.0, 4.0]]))
        >>> latents.tolist(), 0.5 <= half.lipschitz < 0.5000001, bool(errors[0] < 1e-14)
        ([[1.0, 2.0]], True, True)
    """

    def __init__(self, weight: ArrayLike, center: ArrayLike | None = None, *, name: str = "linear") -> None:
        matrix: Array = np.array(weight, dtype=np.float64)
        if matrix.ndim != 2 or not matrix.size:
            raise wrong_value("weight", matrix.shape, "a matrix of shape (D, n)")
        size = matrix.shape[1]
        origin: Array = np.zeros(size) if center is None else np.array(center, dtype=np.float64)
        if origin.shape != (size,):
            raise wrong_value("center", origin.shape, f"of shape ({size},), as the weight says")
        if not (np.all(np.isfinite(matrix)) and np.all(np.isfinite(origin))):
            raise wrong_value("weight, center", "NaN or infinity", "finite numbers")
        # Read-only: constant and digest belong to these numbers.
        self._weight, self._center = matrix, origin
        self.name = name
        # The largest singular value errs by a small multiple of n u: 1e-11 covers n = 10,000.
        self._norm = float(np.linalg.norm(matrix, 2)) * (1.0 + 1e-11)
        self._frobenius = norm(matrix)
        if not self._norm > 0.0:
            raise wrong_value("weight", "0 everywhere", "a matrix with a norm above 0")

    @classmethod
    @single_blas()
    def pca(cls, X: ArrayLike, size: int) -> LinearEncoder:
        """Projection on the leading principal components of training inputs X (N, ...).

        Not whitened: a Gaussian classifier with full covariances learns the scales, and the constant stays 1.

        Args:
            size: D, at most the number of entries of an input.

        Example:
            >>> rng = np.random.default_rng(0)
            >>> found = LinearEncoder.pca(rng.normal(size=(50, 3)) * [1.0, 5.0, 1.0], 1)
            >>> found.name, bool(abs(found.weight[0, 1]) > 0.9)
            ('PCA 1', True)
        """
        x = _flat(np.asarray(X, dtype=np.float64))
        if not 1 <= size <= x.shape[1]:
            raise wrong_value("size", size, f"between 1 and {x.shape[1]}, the entries of an input")
        center = x.mean(axis=0)
        moved = x - center
        last = x.shape[1] - 1
        _, vectors = cast(Any, eigh)(moved.T @ moved, subset_by_index=(last - size + 1, last))
        leading = np.asarray(vectors, dtype=np.float64)[:, ::-1].T
        # The sign of an eigenvector is arbitrary: its largest entry is made positive, so that fits repeat.
        peaks = leading[np.arange(size), np.argmax(np.abs(leading), axis=1)]
        return cls(leading * np.sign(peaks)[:, None], center, name=f"PCA {size}")

    @classmethod
    def random_orthogonal(cls, inputs: int, size: int, *, seed: int = 0) -> LinearEncoder:
        """A random projection of `inputs` numbers on `size` with orthonormal rows, uniform among these.

        Example:
            >>> W = LinearEncoder.random_orthogonal(6, 2).weight
            >>> bool(np.allclose(W @ W.T, np.eye(2)))
            True
        """
        if not 1 <= size <= inputs:
            raise wrong_value("size", size, f"between 1 and inputs = {inputs}")
        q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((inputs, size)))
        return cls((q * np.sign(np.diag(r))).T, name=f"random projection {size}")

    @property
    def weight(self) -> Array:
        """W, shape (D, n); read-only."""
        return frozen(self._weight.view())

    @property
    def center(self) -> Array:
        """c, shape (n,); read-only."""
        return frozen(self._center.view())

    @property
    def lipschitz(self) -> float:
        """Largest singular value, rounded up."""
        return self._norm

    @property
    def steps(self) -> tuple[EncoderStep, ...]:
        """The one step."""
        return (EncoderStep(self.name, "linear; largest singular value", self._norm),)

    @property
    def digest(self) -> str:
        """SHA-256 of W and c."""
        found = hashlib.sha256(f"linear{self._weight.shape}".encode())
        found.update(self._weight.astype("<f8").tobytes() + self._center.astype("<f8").tobytes())
        return found.hexdigest()

    def encode(self, X: NDArray[Any]) -> tuple[Array, Array]:
        """Latents (N, D) of inputs (N, ...), and bounds (N,) on their rounding errors.

        The computed W (x - c) errs by at most gamma |W|_F |x - c| (Cauchy and Schwarz, row by row).
        """
        x = _flat(np.asarray(X, dtype=np.float64))
        if x.shape[1] != self._weight.shape[1]:
            raise wrong_value("X", x.shape, f"inputs of {self._weight.shape[1]} numbers each")
        moved = x - self._center
        error = gamma(moved.shape[1] + 4) * self._frobenius * lengths(moved) * (1.0 + 1e-9) + 1e-300
        return moved @ self._weight.T, error


def _flat(x: Array) -> Array:
    if x.ndim < 2:
        raise wrong_value("X", x.shape, "inputs with a leading batch axis")
    return x.reshape(len(x), -1)
