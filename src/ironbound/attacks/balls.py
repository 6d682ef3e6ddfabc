"""How far numbers may be moved: the ball that the noise on a channel proves, and the ways within it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ironbound.channels import AdaptiveGaussian, AnisotropicGaussian, Gaussian
from ironbound.channels.base import Array

Continuous = Gaussian | AnisotropicGaussian | AdaptiveGaussian


@dataclass(frozen=True)
class Ball:
    """All inputs at most `radius` from a clean one, in the norm that the channel's certificates are about.

    The 2-norm for `Gaussian`; sigma sqrt(sum (delta_i / sigma_i)^2) with the smallest sigma for
    `AnisotropicGaussian`, an ellipsoid about the ball; for `AdaptiveGaussian` its own norm.

    Args:
        channel: the noise.
        radius: as certificates print it.

    Example:
        >>> ball = Ball(AnisotropicGaussian([1.0, 4.0]), 1.0)
        >>> ball.allows(np.array([0.0, 4.0]), np.zeros(2)), ball.allows(np.array([1.1, 0.0]), np.zeros(2))
        (True, False)
    """

    channel: Continuous
    radius: float

    def square(self, value: Array, clean: Array) -> Fraction:
        """Exact square of the distance."""
        if isinstance(self.channel, AdaptiveGaussian) and self.channel.norm == "linf":
            moved = value != clean
            pairs = zip(value[moved].tolist(), clean[moved].tolist(), strict=True)
            return max((abs(Fraction(a) - Fraction(b)) for a, b in pairs), default=Fraction(0)) ** 2
        if isinstance(self.channel, AnisotropicGaussian):
            moved = value != clean
            sigmas = np.asarray(self.channel.sigmas).reshape(self.channel.shape)[moved].tolist()
            rows = zip(value[moved].tolist(), clean[moved].tolist(), sigmas, strict=True)
            total = sum((((Fraction(a) - Fraction(b)) / Fraction(s)) ** 2 for a, b, s in rows), Fraction(0))
            return Fraction(self.channel.sigma) ** 2 * total
        return squared_norm(value, clean)

    def allows(self, value: Array, clean: Array) -> bool:
        """Whether a value is in the ball, in exact arithmetic, and in the channel's range."""
        self.channel.check(value, "the attacked value")
        return self.square(value, clean) <= Fraction(self.radius) ** 2

    def size(self, value: Array, clean: Array) -> float:
        """The distance, rounded to the nearest float."""
        return float(self.square(value, clean)) ** 0.5

    def steepest(self, gradient: Array) -> Array | None:
        """The step of size 1 along which a loss of this gradient grows fastest; None without a direction."""
        found = np.asarray(gradient, dtype=np.float64)
        if not np.all(np.isfinite(found)) or not np.any(found):
            return None
        if isinstance(self.channel, AdaptiveGaussian) and self.channel.norm == "linf":
            return np.sign(found)
        if isinstance(self.channel, AnisotropicGaussian):
            wide = np.asarray(self.channel.sigmas).reshape(self.channel.shape) / self.channel.sigma
            scaled = wide * found
            return wide * scaled / np.linalg.norm(scaled)
        return found / np.linalg.norm(found)

    def within(self, value: Array, clean: Array) -> Array:
        """The value moved into range and ball, of the type of the clean one."""
        shift = np.asarray(value, dtype=np.float64) - clean
        if isinstance(self.channel, AdaptiveGaussian) and self.channel.norm == "linf":
            shift = np.clip(shift, -self.radius, self.radius)
        else:
            size = self._size(shift)
            shift *= min(1.0, self.radius / size) if size > 0 else 0.0
        for shrink in (1.0, 1 - 1e-7, 1 - 1e-6, 1 - 1e-5, 0.99, 0.0):
            moved = np.clip(clean + shrink * shift, self.channel.low, self.channel.high)
            if isinstance(self.channel, Gaussian) and self.channel.exact:
                steps = np.trunc((moved - clean) * self.channel.grid)
                moved = clean + steps / self.channel.grid
            moved = moved.astype(clean.dtype)
            if self.square(moved, clean) <= Fraction(self.radius) ** 2:
                return moved
        return clean

    def _size(self, shift: Array) -> float:
        if isinstance(self.channel, AnisotropicGaussian):
            return self.channel.sigma * self.channel.norm(shift)
        return float(np.linalg.norm(shift))


def squared_norm(value: Array, clean: Array) -> Fraction:
    """Exact squared 2-norm of a difference of floats.

    Example:
        >>> squared_norm(np.array([0.5, 1.0]), np.array([0.0, 1.0]))
        Fraction(1, 4)
    """
    moved = value != clean
    pairs = zip(value[moved].tolist(), clean[moved].tolist(), strict=True)
    return sum(((Fraction(a) - Fraction(b)) ** 2 for a, b in pairs), Fraction(0))
