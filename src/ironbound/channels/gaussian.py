"""Gaussian noise on a continuous channel (Cohen et al. 2019), in floats or exactly on a grid.

In floats, x + noise is rounded, by an amount that depends on x: what comes out can tell x from an attacked x'
far more surely than the Gaussian law allows (Jin et al. 2022; Voracek and Hein 2023). The exact mode leaves
nothing to tell: x lies on a grid of whole steps, the noise is a Gaussian rounded to whole steps, and whole
numbers are added without error. For x on the grid, x + round(noise) = round(x + noise), which is the Gaussian
kernel followed by a fixed map. So the Gaussian law bounds every attack whose result is on the grid again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from ironbound import laws
from ironbound.channels.base import AbstractChannel, Array, as_array
from ironbound.channels.grid import LARGEST_SCALE, rounded_normal
from ironbound.channels.normal import not_below, standard_normal
from ironbound.errors import InputError, wrong_value
from ironbound.threats import Budget

# Clean values stay below this many steps of the noise. Noise has at most 2^12 * 40 steps (beyond that lies a
# probability of 10^-349), so sums stay below 2^24, up to which float32 holds every whole number.
_MOST_STEPS = 2**23
_GRIDS = range(1, 2**16 + 1)


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
        exact: draw on a grid, without floating-point error. Clean inputs must then be whole multiples of
            1/grid, and so must attacked ones: the certificate says so.
        grid: grid steps in one unit: 255 for 8-bit images scaled to [0, 1], 1 for grey levels 0..255.
        refine: noise is a multiple of 1/(grid * refine); more than 1 serves only noise of few grid steps.
    Raises:
        InputError: sigma is not finite and > 0, or low >= high; grid or refine is not a whole number >= 1, or
            sigma is more than 4096 steps of the noise.

    Example:
        >>> channel = Gaussian(sigma=0.5, low=0.0, high=1.0, unit="grey level in [0, 1]")
        >>> x = channel.check([[0.0, 1.0]], "image")
        >>> channel.sample(x, np.random.default_rng(0), 3).shape
        (3, 1, 2)
        >>> exact = Gaussian(sigma=0.5, exact=True)
        >>> noised = exact.sample(exact.check([0.2, 0.4], "image"), np.random.default_rng(0), 100)
        >>> bool(np.all(noised == np.rint(noised * 255) / 255))
        True
    """

    sigma: float
    low: float | None = None
    high: float | None = None
    unit: str = "input units"
    exact: bool = False
    grid: int = 255
    refine: int = 1
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
        shown = isinstance(self.unit, str) and self.unit.isprintable()  # pyright: ignore[reportUnnecessaryIsInstance]
        if not shown or set(self.unit) & set("()"):
            raise wrong_value("unit", self.unit, "printable words without brackets, for certificates to show")
        if not isinstance(self.exact, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise wrong_value("exact", self.exact, "True or False")
        for name, steps in (("grid", self.grid), ("refine", self.refine)):
            if isinstance(steps, bool) or steps not in _GRIDS:
                raise wrong_value(name, steps, f"a whole number in 1..{_GRIDS[-1]}")
            object.__setattr__(self, name, int(steps))
        if not self.exact and (self.grid, self.refine) != (255, 1):
            raise InputError(f"grid and refine belong to exact=True; got {self.grid} and {self.refine}")
        if self.exact:
            object.__setattr__(self, "noise", "gaussian_grid")
            if not self._scale <= LARGEST_SCALE:
                expected = f"at most {LARGEST_SCALE} steps of 1/(grid * refine) = 1/{self._steps}"
                raise wrong_value("sigma", self.sigma, f"{expected} (for grey levels 0..255 give grid=1)")

    @property
    def _steps(self) -> int:
        """Steps of the noise in one unit of the input."""
        return self.grid * self.refine

    @property
    def _scale(self) -> Fraction:
        """sigma in steps of the noise."""
        return Fraction(self.sigma) * self._steps

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
        return self._on_grid(array, name) if self.exact else array

    def _on_grid(self, array: Array, name: str) -> Array:
        """The grid points that the entries stand for; k / grid in floats is off by its rounding."""
        places = array.astype(np.float64) * self.grid
        steps = np.rint(places)
        bad = ~((np.abs(places - steps) <= 1e-3) & (np.abs(steps) * self.refine < _MOST_STEPS))
        if bad.any():
            at = tuple(int(i) for i in np.argwhere(bad)[0])
            expected = (
                f"a whole multiple of 1/{self.grid} below {_MOST_STEPS // self._steps}, as exact=True needs; "
                f"round the data, np.rint(x * {self.grid}) / {self.grid}, or give grid=1 for levels 0..255"
            )
            raise wrong_value(f"entry {at} of {name}", array[at].item(), expected)
        return (steps / self.grid).astype(array.dtype)

    def sample(self, value: Array, generator: np.random.Generator, count: int) -> Array:
        noised = self.pure_noise(value, generator, count)
        self.add_noise(value, noised, out=noised)
        return noised

    def pure_noise(self, value: Array, generator: np.random.Generator, count: int) -> Array:
        """Whole steps of the noise if exact, else N(0, sigma^2); shape (count, *value.shape)."""
        if self.exact:
            steps = rounded_normal(self._scale).draw(generator, count * value.size)
            return steps.reshape(count, *value.shape).astype(value.dtype, copy=False)
        noise = standard_normal(generator, (count, *value.shape), value.dtype)
        noise *= not_below(self.sigma, value.dtype)
        return noise

    def add_noise(self, value: Array, noise: Array, out: Array) -> None:
        if self.exact:
            # Whole numbers below 2^24: no rounding error in the sum. The division is a map of the sum alone.
            places = (np.rint(value.astype(np.float64) * self.grid) * self.refine).astype(value.dtype)
            np.add(noise, places, out=out)
            np.divide(out, value.dtype.type(self._steps), out=out)
        else:
            np.add(noise, value, out=out)

    def laws(self, budget: Budget, d: float, value: Array) -> tuple[laws.Law, ...]:
        """The law of a shift of 2-norm `d`, in the units of the input."""
        return (laws.gaussian(d / self.sigma),)

    def record(self, value: Array, name: str, budget: Budget | None) -> dict[str, Any]:
        record: dict[str, Any] = {
            "channel": name,
            "noise": self.noise,
            "sigma": float(self.sigma),
            "unit": self.unit,
            "low": None if self.low is None else float(self.low),
            "high": None if self.high is None else float(self.high),
            "threat": None if budget is None else budget.kind,
        }
        return record | {"grid": self.grid, "refine": self.refine} if self.exact else record


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except TypeError:
        return False
