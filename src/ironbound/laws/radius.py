"""From a law to a radius: the largest Gaussian shift at which the attacked probability still suffices.

r(d) = sigma * sup { mu : lower_{d,mu}(p_A) > threshold }, or with a rival's bound p_B,
sup { mu : lower(p_A) > upper(p_B) } (math notes, section 2). Every result is confirmed by evaluating the
outward-rounded dual bound at the radius returned; the search only decides how tight it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ironbound.errors import wrong_value
from ironbound.laws._complement import complement_down, complement_up
from ironbound.laws._search import Found, Goal, largest_mu, search
from ironbound.laws._witness import critical_point
from ironbound.laws.law import Law

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Shift:
    """A certified shift in units of the noise, with the dual variables that prove it.

    `mu` is rounded down; `witnesses[i]` (and, in the multi-class form, `rival_witnesses[i]`) prove it for
    the i-th candidate law.
    """

    mu: float
    witnesses: tuple[float, ...]
    rival_witnesses: tuple[float, ...] = ()


def shift(
    candidates: Law | Sequence[Law], p: float, *, threshold: float | None = None, rival: float | None = None
) -> Shift | None:
    """Largest certified mu over all candidate laws of the discrete part, each joined by a Gaussian part.

    Args:
        candidates: the laws among which the attacker's worst discrete choice is; their own mu must be 0.
        p: lower confidence bound on the clean probability of the prediction.
        threshold: the attacked probability has to stay above this, in (0, 1) ...
        rival: ... or above whatever a rival of clean probability at most `rival` can reach.
    Returns:
        None when not certified even at mu = 0; mu = inf only where p = 1 bounds it nowhere.
    Raises:
        InputError: not exactly one of threshold and rival is given, or one is out of range.

    Example:
        >>> from ironbound import laws
        >>> found = laws.shift(laws.identity(), 0.9, threshold=0.5)
        >>> found.mu <= 1.2815515655446004 < found.mu + 1e-9  # Phi^-1(0.9)
        True
    """
    laws = (candidates,) if isinstance(candidates, Law) else tuple(candidates)
    if any(law.mu > 0 for law in laws):
        raise wrong_value("candidates", laws, "laws without a Gaussian part; the search adds it")
    mu, each = math.inf, list[Found]()
    for law in laws:
        found = search(law, np.array([p]), threshold, rival)
        if math.isnan(found.mu[0]):
            return None
        each.append(found)
        mu = min(mu, float(found.mu[0]))
    while len(laws) > 1 and 0.0 < mu < math.inf and not _all_hold(laws, mu, p, threshold, rival):
        mu *= 1.0 - 1e-12  # another law, rounded outward at this mu, asks for one more step back
    if len(each) == 1 and math.isfinite(each[0].u[0]):
        u, v = float(each[0].u[0]), float(each[0].v[0])
        return Shift(mu, (u,), () if rival is None else (v,))
    return _with_witnesses(laws, mu, p, rival)


def certified(
    candidates: Law | Sequence[Law], p: float, *, threshold: float | None = None, rival: float | None = None
) -> Shift | None:
    """Whether the discrete change alone is certified (no continuous channel attacked): `Shift` with mu 0."""
    laws = (candidates,) if isinstance(candidates, Law) else tuple(candidates)
    for law in laws:
        goal = Goal.build(law, np.array([p]), threshold, rival)
        if not bool(goal.holds(np.zeros(1))[0]):
            return None
    return _with_witnesses(laws, 0.0, p, rival)


def radius(
    law: Law, p: float, sigma: float, *, threshold: float | None = None, rival: float | None = None
) -> float | None:
    """2-norm radius in the user's units, rounded down.

    None if not certified even at r = 0; inf if p = 1 bounds it nowhere.

    Example:
        >>> from ironbound import laws
        >>> law = laws.uniform_replacement(d=1, alphabet=240, beta=0.6)
        >>> laws.radius(law, p=0.98, sigma=0.15, threshold=0.5) > 0
        True
        >>> laws.radius(law, p=0.7, sigma=0.15, threshold=0.5) is None
        True
    """
    value = float(radii(law, np.array([p]), sigma, threshold=threshold, rival=rival)[0])
    return None if math.isnan(value) else value


def radii(
    law: Law, p: Array, sigma: float, *, threshold: float | None = None, rival: float | Array | None = None
) -> Array:
    """Vectorised `radius`: p of any shape, the result of the same shape, nan where not certified.

    Example:
        >>> from ironbound import laws
        >>> import numpy as np
        >>> laws.radii(laws.mask(d=1, beta=0.5), np.array([0.7, 0.999]), 1.0, threshold=0.4).round(3)
        array([  nan, 2.037])
    """
    if not (sigma > 0.0 and math.isfinite(sigma)):
        raise wrong_value("sigma", sigma, "a finite standard deviation > 0")
    if law.mu > 0:
        raise wrong_value("law", law.mu, "a law without a Gaussian part; the search adds it")
    array = np.asarray(p, dtype=np.float64)
    mu = largest_mu(law, array.reshape(-1), threshold, rival)
    scaled = mu * sigma
    rounded = np.where((scaled > 0) & np.isfinite(scaled), np.nextafter(scaled, 0.0), scaled)
    return rounded.reshape(array.shape)


def frontier(
    laws: Mapping[int, Law | Sequence[Law]],
    p: float,
    sigma: float,
    *,
    threshold: float | None = None,
    rival: float | None = None,
) -> dict[int, float | None]:
    """The map d -> radius: one radius (or None) for each discrete budget, worst over its candidate laws.

    Example:
        >>> from ironbound import laws
        >>> by_budget = {d: laws.mask(d, 0.8) for d in (0, 1, 2, 3)}
        >>> [r is not None for r in laws.frontier(by_budget, p=0.99, sigma=0.5, threshold=0.5).values()]
        [True, True, True, True]
    """
    found: dict[int, float | None] = {}
    for d, candidates in laws.items():
        options = (candidates,) if isinstance(candidates, Law) else tuple(candidates)
        each = [radius(law, p, sigma, threshold=threshold, rival=rival) for law in options]
        found[d] = None if any(r is None for r in each) else min(r for r in each if r is not None)
    return found


def required(candidates: Law | Sequence[Law], mu: float, threshold: float) -> float:
    """Smallest p, rounded up, at which every candidate law keeps lower(p) above the threshold at shift mu.

    Returns inf where not even p = 1 suffices. It is what an early-stopping rule has to reach.

    Example:
        >>> from ironbound import laws
        >>> round(laws.required(laws.identity(), 1.0, 0.5), 6)  # Phi(1)
        0.841345
    """
    if not (0.0 < threshold < 1.0):
        raise wrong_value("threshold", threshold, "a probability in (0, 1)")
    laws = (candidates,) if isinstance(candidates, Law) else tuple(candidates)
    needed = 0.0
    for law in laws:
        joined = Law(law.log_ratio, law.log_p, law.log_q, math.hypot(mu, law.mu), law.tolerance, law.masses)
        if not joined.lower(1.0) > threshold:
            return math.inf
        low, high = 0.0, 1.0
        while True:
            middle = 0.5 * (low + high)
            if not low < middle < high:
                break
            low, high = (low, middle) if joined.lower(middle) > threshold else (middle, high)
        needed = max(needed, high)
    return needed


def _all_hold(laws: Sequence[Law], mu: float, p: float, threshold: float | None, rival: float | None) -> bool:
    one = np.array([p])
    return all(bool(Goal.build(law, one, threshold, rival).holds(np.array([mu]))[0]) for law in laws)


def _with_witnesses(laws: Sequence[Law], mu: float, p: float, rival: float | None) -> Shift:
    witnesses: list[float] = []
    rivals: list[float] = []
    at = np.array([mu if math.isfinite(mu) else 0.0])
    one = np.array([p])
    for law in laws:
        witnesses.append(float(critical_point(law.atoms, at, one, complement_up(one))[0]))
        if rival is not None:
            other = np.array([rival])
            rivals.append(float(critical_point(law.atoms, at, complement_down(other), other)[0]))
    return Shift(mu, tuple(witnesses), tuple(rivals))
