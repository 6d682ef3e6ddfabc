"""Oracles for distances to quadrics: the S-lemma dual in 60 digits, and a constrained minimisation of the
primal.

Neither shares code with the package. Float inputs are taken as the real numbers that they are.
"""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from ironbound.latent import Quadratics

Array = NDArray[np.float64]
Real = Any  # an mpmath number; mpmath carries no types

DIGITS = 60
_ZERO = mp.mpf(10) ** -40


def exact_score(q: Quadratics, m: int, z: Array) -> Real:
    """q_m(z) in 60 digits."""
    with mp.workdps(DIGITS):
        x = [mp.mpf(float(a)) - mp.mpf(float(b)) for a, b in zip(z, q.means[m], strict=True)]
        factor = _factor(q, m)
        t = factor.T * mp.matrix(x)
        return mp.fsum(v * v for v in t) + mp.mpf(float(q.offsets[m]))


def exact_distance(q: Quadratics, own: int, rival: int, z: Array) -> Real:
    """Distance from z to where `rival` scores no more than `own`; 0 if there, inf if that is nowhere."""
    with mp.workdps(DIGITS):
        c = exact_score(q, rival, z) - exact_score(q, own, z)
        if c <= 0:
            return mp.mpf(0)
        p_own, p_rival = (f * f.T for f in (_factor(q, own), _factor(q, rival)))
        size = len(z)
        x_own = mp.matrix([mp.mpf(float(z[i])) - mp.mpf(float(q.means[own, i])) for i in range(size)])
        x_rival = mp.matrix([mp.mpf(float(z[i])) - mp.mpf(float(q.means[rival, i])) for i in range(size)])
        values, vectors = mp.eigsy(p_rival - p_own)
        b = vectors.T * (p_rival * x_rival - p_own * x_own)
        return mp.sqrt(_largest(c, list(values), [v * v for v in b]))


def _largest(c: Real, values: list[Real], squares: list[Real]) -> Real:
    """sup of lam c - lam^2 sum g / (1 + lam a) over admissible lam, by bisection of its derivative."""
    scale = max([abs(a) for a in values] + [mp.mpf(1)])
    terms = [(a, g) for a, g in zip(values, squares, strict=True) if g > _ZERO * scale]

    def value(lam: Real) -> Real:
        return lam * c - lam * lam * mp.fsum(g / (1 + lam * a) for a, g in terms)

    def slope(lam: Real) -> Real:
        return c - lam * mp.fsum(g * (2 + lam * a) / (1 + lam * a) ** 2 for a, g in terms)

    lowest = min(values)
    low = mp.mpf(0)
    if lowest < -_ZERO * scale:
        high = -1 / lowest
        if all(a > lowest * (1 - mp.mpf(10) ** -30) for a, _ in terms) and slope(high) >= 0:
            return value(high)  # the hard case
    else:
        terms = [(a if abs(a) > _ZERO * scale else mp.mpf(0), g) for a, g in terms]
        if all(a > 0 for a, _ in terms) and c > mp.fsum(g / a for a, g in terms):
            return mp.inf
        high = mp.mpf(1)
        while slope(high) > 0:
            high *= 4
    for _ in range(320):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return value(low)


def primal_distance(q: Quadratics, own: int, rival: int, z: Array, starts: int, seed: int) -> float:
    """Length of the shortest shift found by SLSQP after which `rival` scores no more than `own`; an upper
    bound.
    """
    rng = np.random.default_rng(seed)
    precision = [_dense(q, m) for m in (own, rival)]

    def gap(d: Array) -> float:
        return float(np.diff([_score(q, m, z + d) for m in (own, rival)])[0])

    def gradient(d: Array) -> Array:
        one, two = (2.0 * p @ (z + d - q.means[m]) for p, m in zip(precision, (own, rival), strict=True))
        return two - one

    best = np.inf
    for start in range(starts):
        first = q.means[rival] - z if start == 0 else rng.normal(size=z.size) * 2.0
        found = minimize(
            lambda d: float(d @ d),
            first,
            jac=lambda d: 2.0 * d,
            constraints=[{"type": "ineq", "fun": lambda d: -gap(d), "jac": lambda d: -gradient(d)}],
            method="SLSQP",
            options={"maxiter": 300, "ftol": 1e-14},
        )
        if gap(found.x) <= 1e-9:
            best = min(best, float(np.linalg.norm(found.x)))
    return best


def _factor(q: Quadratics, m: int) -> Real:
    factor = np.diag(q.factors[m]) if q.diagonal else q.factors[m]
    return mp.matrix([[mp.mpf(float(v)) for v in row] for row in factor])


def _dense(q: Quadratics, m: int) -> Array:
    factor = np.diag(q.factors[m]) if q.diagonal else q.factors[m]
    return factor @ factor.T


def _score(q: Quadratics, m: int, z: Array) -> float:
    x = z - q.means[m]
    return float(x @ _dense(q, m) @ x + q.offsets[m])


def random_quadratics(
    seed: int, size: int, count: int, *, condition: float = 100.0, diagonal: bool = False, apart: float = 3.0
) -> Quadratics:
    """Random classifier: `count` components in `size` dimensions, variances in [1 / condition, 1]."""
    rng = np.random.default_rng(seed)
    variances = condition ** -rng.uniform(size=(count, size))
    means = rng.normal(size=(count, size)) * apart / np.sqrt(size)
    offsets = np.log(variances).sum(axis=1) + rng.normal(size=count)
    factors = 1.0 / np.sqrt(variances)
    if not diagonal:
        turns = np.array([np.linalg.qr(rng.normal(size=(size, size)))[0] for _ in range(count)])
        factors = turns * factors[:, None, :]
    return Quadratics.build(factors, means, offsets)


def inputs_near(q: Quadratics, seed: int, count: int, spread: float = 0.5) -> Array:
    """Inputs around the means, so that most lie well inside their class."""
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(q.means), size=count)
    return q.means[chosen] + spread * rng.normal(size=(count, q.dimension))
