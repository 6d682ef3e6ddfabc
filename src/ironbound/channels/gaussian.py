"""Gaussian noise on a continuous channel (Cohen et al. 2019)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ironbound import laws
from ironbound.channels.base import AbstractChannel, Array, as_array
from ironbound.errors import InputError, wrong_value
from ironbound.threats import Budget


@dataclass(frozen=True)
class Gaussian(AbstractChannel):
    """Adds independent N(0, sigma^2) noise to every entry, in the units in which the input comes.

    Nothing is clipped: clipping to a range, scaling, resizing are the base classifier's business and need no
    proof. float32 and float64 inputs keep their type; uint8 images (and float16) are converted to float32
    first, with their values (0..255) as they are, so sigma is then in grey levels; other integers to float64.

    Args:
        sigma: standard deviation, in the units of the input.
        low, high: range that clean inputs must lie in, or None. Only checked, and recorded.
        unit: what one unit of the input is; printed behind every radius.
    Raises:
        InputError: sigma is not finite and > 0, or low >= high.

    Example:
        >>> channel = Gaussian(sigma=0.5, low=0.0, high=1.0, unit="grey level in [0, 1]")
        >>> x = channel.check([[0.0, 1.0]], "image")
        >>> channel.sample(x, np.random.default_rng(0), 3).shape
        (3, 1, 2)
    """

    sigma: float
    low: float | None = None
    high: float | None = None
    unit: str = "input units"
    noise: ClassVar[str] = "gaussian"
    threat: ClassVar[str] = "l2"

    def __post_init__(self) -> None:
        if not (_finite(self.sigma) and self.sigma > 0.0):
            raise wrong_value("sigma", self.sigma, "a finite standard deviation > 0")
        for name, end in (("low", self.low), ("high", self.high)):
            if end is not None and not _finite(end):
                raise wrong_value(name, end, "a finite number or None")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise wrong_value("low, high", (self.low, self.high), "increasing")

    def check(self, value: object, name: str) -> Array:
        array = as_array(value, name)
        if array.size == 0 or array.dtype.kind == "b":
            shown = f"dtype {array.dtype} and shape {array.shape}"
            raise InputError(f"{name} must be a non-empty array of numbers; got {shown}")
        single = array.dtype.name in ("float32", "float16", "uint8")
        # A fresh, contiguous copy: later changes of the caller's array must not reach a running estimate.
        array = np.array(array, dtype=np.float32 if single else np.float64, order="C")
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        good = np.isfinite(array) & (array >= low) & (array <= high)
        if not good.all():
            at = tuple(int(i) for i in np.argwhere(~good)[0])
            expected = "finite" if self.low is None and self.high is None else f"in [{low}, {high}]"
            raise wrong_value(f"entry {at} of {name}", array[at].item(), expected)
        return array

    def sample(self, value: Array, generator: np.random.Generator, count: int) -> Array:
        noised = generator.standard_normal((count, *value.shape), dtype=value.dtype)
        noised *= value.dtype.type(self.sigma)
        noised += value
        return noised

    def laws(self, budget: Budget, d: float, value: Array) -> tuple[laws.Law, ...]:
        """The law of a shift of 2-norm `d`, in the units of the input."""
        return (laws.gaussian(d / self.sigma),)

    def record(self, value: Array, name: str, budget: Budget | None) -> dict[str, Any]:
        return {
            "channel": name,
            "noise": self.noise,
            "sigma": float(self.sigma),
            "unit": self.unit,
            "low": None if self.low is None else float(self.low),
            "high": None if self.high is None else float(self.high),
            "threat": None if budget is None else budget.kind,
        }


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except TypeError:
        return False
