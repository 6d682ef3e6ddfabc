"""Two releases of one input, the second masked by what the first showed: adaptive randomised smoothing (ARS).

Source: Lyu et al., "Adaptive Randomized Smoothing: Certified Adversarial Robustness for Multi-Step Defences"
(NeurIPS 2024). Stage one shows m1 = x + N(0, s1^2 I). A mask w(m1) in [0, 1] decides what stage two shows:
m2 = w x + N(0, s^2 I).

**The law.** Fix x, an attacked x + delta, and m1. What m2 tells beyond m1 is N(0, 1) against N(c(m1), 1) with
c(m1) = |w delta| / s. For any c >= c(m1) it can be drawn from N(0, 1) against N(c, 1), by shrinking and
adding noise. With c free of m1, the pair of m1 and that is one Gaussian shift, mu^2 = |delta|^2 / s1^2 + c^2,
and what is shown is a random map of the pair. So the Gaussian law at mu bounds every classifier behind both
stages (the composition of Gaussian mechanisms of Dong, Roth and Su 2022, for one pair of inputs):

* 2-norm r, with s = s2: |w delta| <= r, hence mu <= r sqrt(1/s1^2 + 1/s2^2).
* max-norm r, with s = s2 sqrt(mean w^2): |w delta| <= r |w|, so c <= r sqrt(D) / s2 for D coordinates, hence
  mu <= r sqrt(D) sqrt(1/s1^2 + 1/s2^2).

In the 2-norm a mask gains nothing over plain noise of the same effective sigma: m2 is w (x + s2 z) with more
noise added, so both stages together are a random map of plain noise at 1/sigma^2 = 1/s1^2 + 1/s2^2. In the
max-norm the mask moves noise from where w is large to where it is small, at no cost in mu.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar, Literal

import numpy as np

from ironbound import laws
from ironbound.channels.base import AbstractChannel, Array
from ironbound.channels.gaussian import Gaussian
from ironbound.channels.normal import not_below, standard_normal
from ironbound.errors import InputError, wrong_value
from ironbound.threats import Budget

Masker = Callable[[Array], Array]

# Masks smaller than this on average count as this: more noise than the law needs, and no division by 0.
_FAINTEST = 1e-6
# The noise of stage two is stretched by this, far more than rounding can take from the mean of w^2.
_STRETCH = 1.0 + 2.0**-30


@dataclass(frozen=True)
class AdaptiveGaussian(AbstractChannel):
    """Shows (m1/s1^2 + w m2/s^2) / (1/s1^2 + w^2/s^2), the unbiased mean of both releases of least variance.

    What is shown has the shape of the input. Noise is drawn in floating point; there is no exact grid here.

    Args:
        first, second: s1 and s2, standard deviations > 0, in the units of the input.
        mask: m1 as a batch (B, *shape) -> masks of that shape in [0, 1], else cut off. A
            function of m1 alone, and of each row on its own; see `ironbound.smoothing.adaptive.TorchMask`.
        mask_id: what certificates call the mask; a digest of its weights.
        norm: of the attacks: "l2", or "linf", where noise is moved to where the mask is small.
        coordinates: numbers in one input.
        low, high, unit: see `Gaussian`.
    Raises:
        InputError: naming the argument.

    Example:
        >>> centre = lambda seen: np.exp(-np.linspace(-2, 2, 5) ** 2) * np.ones_like(seen)
        >>> channel = AdaptiveGaussian(1.0, 0.5, centre, "gauss", norm="linf", coordinates=5)
        >>> x = channel.check(np.zeros(5), "x")
        >>> spread = channel.sample(x, np.random.default_rng(0), 20_000).std(axis=0)
        >>> bool(spread[2] < effective_sigma(1.0, 0.5) < spread[0])
        True
    """

    first: float
    second: float
    mask: Masker
    mask_id: str
    norm: Literal["l2", "linf"] = "l2"
    coordinates: int = 1
    low: float | None = None
    high: float | None = None
    unit: str = "input units"
    noise: ClassVar[str] = "gaussian_adaptive"
    norms: ClassVar[tuple[str, ...]] = ("l2", "linf")
    threat: str = field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride] - the norm decides
    sigma: float = field(init=False)

    def __post_init__(self) -> None:
        for name in ("first", "second"):
            Gaussian(getattr(self, name), self.low, self.high, self.unit)  # its checks
        if not callable(self.mask):
            raise wrong_value("mask", self.mask, "a callable from batches to masks")
        if not self.mask_id:
            raise wrong_value("mask_id", self.mask_id, "a name or digest of the mask")
        if self.norm not in self.norms:
            raise wrong_value("norm", self.norm, '"l2" or "linf"')
        count = self.coordinates
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise wrong_value("coordinates", count, "how many numbers an input has, >= 1")
        object.__setattr__(self, "threat", self.norm)
        scale = effective_sigma(self.first, self.second, count if self.norm == "linf" else 1)
        object.__setattr__(self, "sigma", scale)

    def check(self, value: object, name: str) -> Array:
        array = Gaussian(self.first, self.low, self.high, self.unit).check(value, name)
        if array.size != self.coordinates:
            raise wrong_value(f"the number of entries of {name}", array.size, f"{self.coordinates}")
        return array

    def sample(self, value: Array, generator: np.random.Generator, count: int) -> Array:
        shape = (count, *value.shape)
        seen = value + not_below(self.first, value.dtype) * standard_normal(generator, shape, value.dtype)
        mask = self._masks(seen)
        sigma = self._second(mask).reshape(count, *(1,) * value.ndim)
        masked = mask * value + sigma * standard_normal(generator, shape, value.dtype)
        weight = (self.first / sigma) ** 2
        shown = (seen + weight * mask * masked) / (1.0 + weight * mask**2)
        return shown.astype(value.dtype)

    def _masks(self, seen: Array) -> Array:
        """Masks of all rows; one row is asked about alone, as draws must not depend on each other."""
        found = [np.asarray(self.mask(part), dtype=np.float64) for part in (seen, seen[:1])]
        for mask, part in zip(found, (seen, seen[:1]), strict=True):
            if mask.shape != part.shape or not np.all(np.isfinite(mask)):
                raise InputError(f"mask must return finite masks of shape {part.shape}; got {mask.shape}")
        if len(seen) and not np.allclose(found[0][:1], found[1], rtol=0.0, atol=1e-3):
            raise InputError("mask mixes the rows of a batch: a row alone has another mask than in company")
        return np.clip(found[0], 0.0, 1.0)

    def _second(self, mask: Array) -> Array:
        """Standard deviation of stage two for each row, never below what the law needs."""
        if self.norm == "l2":
            return np.full(len(mask), self.second)
        flat = mask.reshape(len(mask), -1)
        square = np.maximum(np.mean(flat**2, axis=1), _FAINTEST)
        return self.second * np.sqrt(square) * _STRETCH

    def laws(self, budget: Budget, d: float, value: Array) -> tuple[laws.Law, ...]:
        """The law of a shift of size `d` in the norm of this channel."""
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
            "first": float(self.first),
            "second": float(self.second),
            "norm": self.norm,
            "coordinates": self.coordinates,
            "mask_id": self.mask_id,
            "composition": "adaptive_gaussian",
        }


def effective_sigma(first: float, second: float, coordinates: int = 1) -> float:
    """The largest float not above 1 / sqrt(coordinates (1/first^2 + 1/second^2)), by exact arithmetic.

    A shift of size r has mu = r over it: in the 2-norm with 1 coordinate, in the max-norm with all of them.

    Example:
        >>> effective_sigma(5.0, 3.75), effective_sigma(5.0, 3.75, 9)
        (3.0, 1.0)
    """
    a, b = Fraction(first) ** 2, Fraction(second) ** 2
    square = a * b / (coordinates * (a + b))
    guess = math.nextafter(math.nextafter(math.sqrt(square), math.inf), math.inf)
    while Fraction(guess) ** 2 > square:
        guess = math.nextafter(guess, 0.0)
    return guess
