"""Deterministic certificates from Gaussian structure in a latent space (GML).

The modules, in the order of the mathematics: `quadratic` and `linear` (class scores), `radius` (exact
distances to the nearest other class), `margins` (closed forms), `gaussian` and `ellipsoid` (the estimators),
`existence` (what any classifier could reach), `transfer` and `diagnostics` (when the data are only nearly a
mixture).
"""

from __future__ import annotations

from ironbound.latent.ellipsoid import EllipsoidClassifier
from ironbound.latent.gaussian import GaussianClassifier
from ironbound.latent.linear import LinearScores
from ironbound.latent.quadratic import Quadratics
from ironbound.latent.radius import QuadraticRadii, Radii

__all__ = [
    "EllipsoidClassifier",
    "GaussianClassifier",
    "LinearScores",
    "QuadraticRadii",
    "Quadratics",
    "Radii",
]
