"""Gaussian noise whose standard deviation differs from coordinate to coordinate."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ironbound import laws
from ironbound.channels.base import AbstractChannel, Array, as_array
from ironbound.channels.gaussian import Gaussian
from ironbound.channels.normal import not_below
from ironbound.errors import InputError, wrong_value
from ironbound.threats import Budget

# Longer lists of standard deviations are named by their digest alone in certificates.
_MOST_LISTED = 256


@dataclass(frozen=True)
class AnisotropicGaussian(AbstractChannel):
    """Adds independent N(0, sigma_i^2) noise to entry i, in the units of the input.

    A shift delta has the Gaussian law with mu^2 = sum (delta_i / sigma_i)^2 (the mathematics, section 1). So
    a claim at mu covers every shift whose weighted norm, `norm(delta)`, is at most mu; in the plain 2-norm
    that is certain up to mu times the smallest sigma, which is the radius that certificates print.

    Args:
        sigmas: standard deviations > 0, of the shape of the input.
        low, high, unit: see `Gaussian`.
    Raises:
        InputError: a standard deviation is not finite and > 0, or low >= high.

    Example:
        >>> channel = AnisotropicGaussian(sigmas=[0.5, 2.0])
        >>> channel.sigma, channel.norm([0.0, 1.0]) >= 0.5
        (0.5, True)
    """

    sigmas: tuple[float, ...]
    shape: tuple[int, ...]
    low: float | None
    high: float | None
    unit: str
    noise: ClassVar[str] = "gaussian_anisotropic"
    threat: ClassVar[str] = "l2"
    sigma: float = field(init=False)
    _array: NDArray[np.float64] = field(init=False, repr=False, compare=False)

    def __init__(
        self,
        sigmas: ArrayLike,
        low: float | None = None,
        high: float | None = None,
        unit: str = "input units",
    ) -> None:
        array = np.array(as_array(sigmas, "sigmas"), dtype=np.float64)
        if array.ndim == 0 or array.size == 0 or not np.all((array > 0) & np.isfinite(array)):
            raise wrong_value("sigmas", array.ravel()[:5].tolist(), "finite standard deviations > 0")
        smallest = float(array.min())
        Gaussian(smallest, low, high, unit)  # its checks of low, high
        values = (tuple(array.ravel().tolist()), array.shape, low, high, unit, smallest, array)
        names = ("sigmas", "shape", "low", "high", "unit", "sigma", "_array")
        for name, value in zip(names, values, strict=True):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        shown = list(self.sigmas) if len(self.sigmas) <= 8 else f"<{len(self.sigmas)} from {self.sigma:g}>"
        return f"AnisotropicGaussian(sigmas={shown})"

    def norm(self, shift: ArrayLike) -> float:
        """Weighted norm sqrt(sum (delta_i / sigma_i)^2) of a shift, rounded up; a claim at this mu covers it.

        Args:
            shift: what is added to the clean input, of its shape.
        """
        delta = np.asarray(shift, dtype=np.float64)
        if delta.shape != self.shape or not np.all(np.isfinite(delta)):
            raise InputError(f"shift must be finite, of shape {self.shape}; got shape {delta.shape}")
        # n products and n additions, each within 2^-53: (n + 4) of them bound the relative error.
        slack = 1.0 + (delta.size + 4) * 2.0**-52
        return math.nextafter(float(np.sqrt(np.sum((delta / self._array) ** 2))) * slack, math.inf)

    def check(self, value: object, name: str) -> Array:
        array = Gaussian(self.sigma, self.low, self.high, self.unit).check(value, name)
        if array.shape != self.shape:
            raise InputError(f"{name} must have the shape of sigmas, {self.shape}; got {array.shape}")
        return array

    def sample(self, value: Array, generator: np.random.Generator, count: int) -> Array:
        noised = self.pure_noise(value, generator, count)
        self.add_noise(value, noised, out=noised)
        return noised

    def pure_noise(self, value: Array, generator: np.random.Generator, count: int) -> Array:
        """N(0, sigma_i^2) in every coordinate; shape (count, *value.shape)."""
        noise = generator.standard_normal((count, *value.shape), dtype=value.dtype)
        noise *= not_below(self._array, value.dtype)
        return noise

    def add_noise(self, value: Array, noise: Array, out: Array) -> None:
        np.add(noise, value, out=out)

    def laws(self, budget: Budget, d: float, value: Array) -> tuple[laws.Law, ...]:
        """The worst law of a shift of plain 2-norm `d`: all of it along the coordinate of least noise."""
        return (laws.gaussian(d / self.sigma),)

    def record(self, value: Array, name: str, budget: Budget | None) -> dict[str, Any]:
        return {
            "channel": name,
            "noise": self.noise,
            "sigma": self.sigma,
            "unit": self.unit,
            "low": None if self.low is None else float(self.low),
            "high": None if self.high is None else float(self.high),
            "threat": None if budget is None else budget.kind,
            "largest": max(self.sigmas),
            "coordinates": len(self.sigmas),
            "sigmas": list(self.sigmas) if len(self.sigmas) <= _MOST_LISTED else None,
            "sigmas_id": hashlib.sha256(",".join(map(repr, self.sigmas)).encode()).hexdigest(),
        }
