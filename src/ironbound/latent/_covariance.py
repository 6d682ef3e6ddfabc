"""Covariance estimates that are always invertible, and the factors F with F F^T = S^-1 that the scores
use.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.covariance import ledoit_wolf_shrinkage

from ironbound.errors import InputError, wrong_value
from ironbound.latent._rounding import Array


@dataclass(frozen=True, eq=False)
class Covariance:
    """One estimate. `matrix` (D, D), or (D,) when diagonal; `shrinkage` in [0, 1] is the share actually
    used.
    """

    matrix: Array
    shrinkage: float


def share(centred: Array, shrinkage: str | float) -> float:
    """The weight of the spherical target: Ledoit and Wolf (2004), none, or a number in [0, 1]."""
    if shrinkage == "ledoit-wolf":
        if not np.any(centred):
            return 0.0
        return float(np.clip(ledoit_wolf_shrinkage(centred, assume_centered=True), 0.0, 1.0))
    if shrinkage == "none":
        return 0.0
    if isinstance(shrinkage, str) or not 0.0 <= shrinkage <= 1.0:
        raise wrong_value("shrinkage", shrinkage, '"ledoit-wolf", "none" or a number in [0, 1]')
    return float(shrinkage)


def estimate(
    centred: Array, kind: str, shrinkage: str | float, rank: int, floor: float, name: str
) -> Covariance:
    """Covariance of rows that are already centred, shape (n, D).

    Args:
        floor: smallest variance left in any direction (latent units squared).
        name: how errors call this sample.
    Raises:
        InputError: `shrinkage` is 0 and the sample does not span the space.
    """
    weight = share(centred, shrinkage)
    variances = np.mean(centred**2, axis=0)
    target = float(variances.mean())
    if kind == "diagonal":
        return Covariance(np.maximum((1.0 - weight) * variances + weight * target, floor), weight)
    size = centred.shape[1]
    if weight == 0.0 and kind != "low_rank" and shrinkage != "ledoit-wolf" and len(centred) <= size:
        raise InputError(
            f"{name} has {len(centred)} samples in {size} dimensions, so its covariance is singular; "
            'use shrinkage="ledoit-wolf", covariance="shared" or "diagonal", or more samples'
        )
    if weight == 1.0:  # spherical: nothing to multiply out, which matters for thousands of dimensions
        return Covariance(max(target, floor) * np.eye(size), weight)
    matrix = (1.0 - weight) * (centred.T @ centred) / len(centred) + weight * target * np.eye(size)
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    if kind == "low_rank":
        return Covariance(_low_rank(values, vectors, rank, floor), weight)
    return Covariance(_rebuild(np.maximum(values, floor), vectors), weight)


def factor(matrix: Array) -> Array:
    """F with F F^T = S^-1, its columns the eigenvectors over the standard deviations; 1 / sqrt(S) if
    diagonal.
    """
    if matrix.ndim == 1:
        return 1.0 / np.sqrt(matrix)
    values, vectors = np.linalg.eigh(matrix)
    return vectors / np.sqrt(values)


def log_det(matrix: Array) -> float:
    """Natural logarithm of det S."""
    if matrix.ndim == 1:
        return float(np.sum(np.log(matrix)))
    return float(np.linalg.slogdet(matrix)[1])


def _low_rank(values: Array, vectors: Array, rank: int, floor: float) -> Array:
    """Principal factors: the leading `rank` eigenvectors, and the rest of every variance on the diagonal."""
    rank = min(rank, len(values))
    leading = vectors[:, -rank:] * np.sqrt(np.maximum(values[-rank:], 0.0))
    common = leading @ leading.T
    whole = np.sum(vectors * vectors * values, axis=1)
    rest = np.maximum(whole - np.diag(common), floor)
    matrix = common + np.diag(rest)
    return 0.5 * (matrix + matrix.T)


def _rebuild(values: Array, vectors: Array) -> Array:
    matrix = (vectors * values) @ vectors.T
    return 0.5 * (matrix + matrix.T)
