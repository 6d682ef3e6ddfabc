"""Ramp certificates: what smoothing proves about a score that is known to be Lipschitz.

If f: R^n -> [0, 1] is L-Lipschitz and p = E f(x + sigma Z), no such f falls faster than the clipped ramp
t -> clip(L t + c, 0, 1) along one direction, with c fixed by p. Math notes "Lipschitz", section 5.
Source: Delattre et al., LVM-RS, ICLR 2024 (arXiv 2309.16883), and AISTATS 2025.
"""

from __future__ import annotations

import math

from flint import arb, ctx

from ironbound.errors import InputError, wrong_value

# A ramp narrower than this, in units of sigma, is treated as a step: a step is the worse function.
_STEP = 1e-25
_BITS = 256


def ramp_radius(
    p: float,
    sigma: float,
    lipschitz: float,
    *,
    threshold: float | None = None,
    rival: float | None = None,
) -> float | None:
    """Radius within which the smoothed score of an L-Lipschitz classifier keeps its side.

    With R(z) = E clip(L sigma (z + Z) + 1/2, 0, 1), which increases from 0 to 1, the smoothed score at
    distance r is at least R(R^-1(p) - r / sigma), and a rival's at most R(R^-1(rival) + r / sigma).
    Never below Cohen's radius sigma Phi^-1(p), and equal to it in the limit L -> inf; never below
    (p - threshold) / L.

    Args:
        p: lower confidence bound on E f(x + sigma Z), where f is the predicted class' score in [0, 1]. It is
            the mean of a bounded score, not the share of a vote: a vote is not Lipschitz.
        sigma: standard deviation of the noise, in input units.
        lipschitz: Lipschitz constant L of every score, per input unit; inf for none.
        threshold: the smoothed score has to stay above this; 0.5 when neither it nor `rival` is given, which
            suffices if the scores of all classes add up to at most 1.
        rival: upper confidence bound on every other class' smoothed score; instead of `threshold`.
    Returns:
        The radius in input units, rounded down (ball arithmetic decides the side of both quantiles); None
        when not certified even at radius 0; inf where nothing bounds it (p = 1).
    Raises:
        InputError: an argument is out of range, or both threshold and rival are given.

    Example:
        >>> round(ramp_radius(0.9, 0.5, math.inf), 6)  # 0.5 Phi^-1(0.9)
        0.640776
        >>> round(ramp_radius(0.9, 0.5, 1.0), 6)
        0.743094
        >>> ramp_radius(0.4, 0.5, 1.0) is None
        True
    """
    if not 0.0 <= p <= 1.0:
        raise wrong_value("p", p, "a lower confidence bound in [0, 1]")
    if not 0.0 < sigma < math.inf:
        raise wrong_value("sigma", sigma, "positive and finite")
    if not lipschitz > 0.0:
        raise wrong_value("lipschitz", lipschitz, "positive, or inf for a score without a known constant")
    if threshold is not None and rival is not None:
        raise InputError("threshold and rival exclude each other; give one of them")
    if rival is not None and not 0.0 <= rival <= 1.0:
        raise wrong_value("rival", rival, "an upper confidence bound in [0, 1]")
    level = 0.5 if threshold is None else threshold
    if rival is None and not 0.0 < level < 1.0:
        raise wrong_value("threshold", threshold, "in (0, 1)")
    opposed = level if rival is None else rival
    if not p > opposed:
        return None
    width = _width(sigma, lipschitz)
    above, _ = _quantile(p, width)
    _, below = _quantile(opposed, width)
    if not above > below:
        return None
    if math.isinf(above - below):
        return math.inf
    # Each float operation on these errs by at most half a unit; one step down pays for it.
    apart = math.nextafter(above - below, 0.0)
    half = apart if rival is None else apart / 2
    return math.nextafter(sigma * half, 0.0)


def ramp_value(z: float, sigma: float, lipschitz: float) -> float:
    """R(z) = E clip(L sigma (z + Z) + 1/2, 0, 1), for plots and tests; not rounded to either side.

    Example:
        >>> ramp_value(0.0, 1.0, 2.0)
        0.5
    """
    with ctx.workprec(_BITS):
        return float(_smoothed(arb(z), _width(sigma, lipschitz)).mid())


def _width(sigma: float, lipschitz: float) -> arb | None:
    """Width of the ramp in units of sigma, 1 / (L sigma); None for a step."""
    with ctx.workprec(_BITS):
        if math.isinf(lipschitz):
            return None
        width = 1 / (arb(lipschitz) * arb(sigma))
        return width if width > _STEP else None


def _smoothed(z: arb, width: arb | None) -> arb:
    """The mean of the normal distribution function over an interval of this width around z.

    Its antiderivative is z Phi(z) + phi(z).
    """
    if width is None:
        return _normal(z)
    upper, lower = z + width / 2, z - width / 2
    return (_antiderivative(upper) - _antiderivative(lower)) / width


def _normal(x: arb) -> arb:
    return (-x / arb(2).sqrt()).erfc() / 2


def _antiderivative(x: arb) -> arb:
    return x * _normal(x) + (-x * x / 2).exp() / (2 * arb.pi()).sqrt()


def _quantile(p: float, width: arb | None) -> tuple[float, float]:
    """Floats (lo, hi) with R(lo) <= p <= R(hi), proven, and as close as floats go."""
    if p in (0.0, 1.0):
        return (math.inf, math.inf) if p == 1.0 else (-math.inf, -math.inf)
    if p == 0.5:
        return 0.0, 0.0  # by symmetry; no ball can show it
    with ctx.workprec(_BITS):
        target = arb(p)
        reach = 40.0 if width is None else 40.0 + float(width.mid())
        lo, hi = (0.0, reach) if p > 0.5 else (-reach, 0.0)
        while lo < (middle := lo + (hi - lo) / 2) < hi:
            value = _smoothed(arb(middle), width)
            if value <= target:
                lo = middle
            elif value >= target:
                hi = middle
            else:
                break  # closer than the balls can tell: both ends are still proven
        return lo, hi
