"""Ramp certificates against quadrature, against Cohen's radius, and against random Lipschitz functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, cast

import mpmath as mp
import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, stats

from ironbound import laws
from ironbound.errors import InputError
from ironbound.lipschitz import ramp_radius
from ironbound.lipschitz.ramp import _quantile, ramp_value


def smoothed_ramp(z: float, sigma: float, lipschitz: float) -> float:
    """E clip(L sigma (z + Z) + 1/2, 0, 1) by quadrature, split at the kinks: independent of the library."""
    slope = lipschitz * sigma
    kinks = [k for k in (-0.5 / slope - z, 0.5 / slope - z) if -12 < k < 12]

    def integrand(t: float) -> float:
        return min(1.0, max(0.0, slope * (z + t) + 0.5)) * math.exp(-t * t / 2) / math.sqrt(2 * math.pi)

    ends = [-12.0, *kinks, 12.0]
    return sum(integrate.quad(integrand, a, b, epsabs=1e-13, epsrel=1e-13)[0] for a, b in pairwise(ends))


def root(function: Callable[[float], float], low: float, high: float) -> float:
    return float(cast(Any, optimize.brentq)(function, low, high, xtol=1e-12))


@pytest.mark.parametrize("lipschitz", [0.05, 0.5, 2.0, 30.0])
@pytest.mark.parametrize("sigma", [0.25, 1.0])
@pytest.mark.parametrize("p", [0.51, 0.9, 0.999])
def test_the_radius_is_that_of_the_oracle_from_below(p: float, sigma: float, lipschitz: float) -> None:
    z = root(lambda z: smoothed_ramp(z, sigma, lipschitz) - p, 0, 10 + 1 / lipschitz / sigma)
    truth = sigma * z
    found = ramp_radius(p, sigma, lipschitz)
    assert found is not None
    assert found <= truth + 1e-8
    assert found >= truth - 1e-8
    assert ramp_value(z, sigma, lipschitz) == pytest.approx(p, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.5001, 0.99999), st.floats(0.05, 3.0), st.floats(1e-3, 1e4))
def test_never_below_cohen_and_never_below_the_plain_margin(p: float, sigma: float, lipschitz: float) -> None:
    found = ramp_radius(p, sigma, lipschitz)
    assert found is not None
    cohen = laws.radius(laws.identity(), p, sigma, threshold=0.5)
    assert cohen is not None
    assert found >= cohen * (1 - 1e-12)
    assert found >= (p - 0.5) / lipschitz * (1 - 1e-12)
    steeper = ramp_radius(p, sigma, lipschitz * 1.5)
    assert steeper is not None
    assert steeper <= found


@pytest.mark.parametrize("p", [0.6, 0.99, 1 - 1e-9, 1 - 2**-53])
def test_a_steep_ramp_is_a_step(p: float) -> None:
    cohen = ramp_radius(p, 0.5, math.inf)
    assert cohen is not None
    assert cohen <= 0.5 * stats.norm.isf(1 - p) * (1 + 1e-12)
    assert cohen >= 0.5 * stats.norm.isf(1 - p) * (1 - 1e-12)
    distance = [float(ramp_radius(p, 0.5, slope) or 0.0) - cohen for slope in (1e2, 1e4, 1e6)]
    assert 0 < distance[1] < distance[0]
    assert 0 <= distance[2] < 1e-10
    assert ramp_radius(p, 0.5, 1e30) == cohen


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.3, 5.0), st.floats(0.05, 2.0))
def test_no_random_lipschitz_function_falls_faster(seed: int, lipschitz: float, delta: float) -> None:
    """Random scores of slopes +-L or 0 on a fine grid, mostly falling where the shift goes."""
    generator = np.random.default_rng(seed)
    grid = np.linspace(-14, 14, 5601)
    pieces = np.repeat(generator.choice([-1.0, 0.0, 1.0], 280, p=[0.1, 0.3, 0.6]), 20)
    values = np.concatenate([[0.0], np.cumsum(pieces) * lipschitz * (grid[1] - grid[0])])
    values = np.clip(values - values[2800] + generator.random(), 0.0, 1.0)

    def mean(shift: float) -> float:
        return float(np.trapezoid(values * stats.norm.pdf(grid + shift), grid))

    p, attacked = mean(0.0), mean(delta)
    if not 0.01 < p < 0.99:
        return
    z = root(lambda z: ramp_value(z, 1.0, lipschitz) - p, -30, 30)
    assert attacked >= ramp_value(z - delta, 1.0, lipschitz) - 1e-5


@pytest.mark.parametrize("p", [0.01, 0.3, 0.75, 0.9999])
@pytest.mark.parametrize("width", [0.5, 8.0])
def test_both_ends_of_a_quantile_lie_on_their_side_in_60_digits(p: float, width: float) -> None:
    with mp.workdps(60):

        def antiderivative(x: Any) -> Any:
            return x * mp.ncdf(x) + mp.npdf(x)

        def value(z: float) -> Any:
            half = mp.mpf(width) / 2
            return (antiderivative(mp.mpf(z) + half) - antiderivative(mp.mpf(z) - half)) / width

        lo, hi = _quantile(p, arb(width))
        assert value(lo) <= mp.mpf(p) <= value(hi)
        assert hi == math.nextafter(lo, math.inf)
        radius = ramp_radius(max(p, 1 - p), 2.0, 0.5 / width)
        assert radius is not None
        assert value(radius / 2) < mp.mpf(max(p, 1 - p))


def test_thresholds_and_rivals() -> None:
    base = ramp_radius(0.9, 1.0, 1.0)
    assert base == ramp_radius(0.9, 1.0, 1.0, threshold=0.5)
    assert base is not None
    strict = ramp_radius(0.9, 1.0, 1.0, threshold=0.7)
    against = ramp_radius(0.9, 1.0, 1.0, rival=0.1)
    weak = ramp_radius(0.9, 1.0, 1.0, rival=0.05)
    assert strict is not None
    assert against is not None
    assert weak is not None
    assert strict < base < weak
    assert against == pytest.approx(base, rel=1e-12)  # symmetric: both have the same way to 1/2
    assert against <= base * (1 + 1e-15)
    assert ramp_radius(0.2, 1.0, 1.0, threshold=0.1) is not None
    assert ramp_radius(0.3, 1.0, 1.0, rival=0.2) is not None


@pytest.mark.parametrize(
    ("p", "options", "expected"),
    [
        (0.5, {}, None),
        (0.3, {}, None),
        (0.9, {"rival": 0.9}, None),
        (0.0, {"rival": 0.0}, None),
        (1.0, {}, math.inf),
        (1.0, {"rival": 1.0}, None),
        (0.4, {"rival": 0.0}, math.inf),
    ],
)
def test_ends(p: float, options: dict[str, float], expected: float | None) -> None:
    assert ramp_radius(p, 0.5, 2.0, **options) == expected


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"p": math.nan}, "p must be"),
        ({"sigma": 0.0}, "sigma must be"),
        ({"lipschitz": 0.0}, "lipschitz must be"),
        ({"lipschitz": math.nan}, "lipschitz must be"),
        ({"threshold": 1.0}, "threshold must be"),
        ({"rival": -0.1}, "rival must be"),
        ({"rival": 0.1, "threshold": 0.5}, "exclude each other"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        ramp_radius(**{"p": 0.9, "sigma": 0.5, "lipschitz": 1.0, **arguments})
