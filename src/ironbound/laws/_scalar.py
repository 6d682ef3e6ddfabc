"""A start for the search of one radius, in plain Python: where one probability is asked, arrays cost more.

Nothing rests on it. The vectorised search takes it from here, and the outward-rounded bound decides.
"""

from __future__ import annotations

import math

from ironbound.laws._tails import Atoms

_ROOT_HALF = math.sqrt(0.5)
_DENSITY = 1.0 / math.sqrt(2.0 * math.pi)
_INNER, _OUTER = 60, 40
# A law of more atoms is cheaper in arrays.
MOST_ATOMS = 64


def nearby(atoms: Atoms, s: float, threshold: float, high: float) -> tuple[float, float]:
    """About the mu at which lower(p) meets the threshold, p = 1 - s, and the dual variable there.

    Somewhere in (0, high) if it does not meet it.

    Example:
        >>> from ironbound import laws
        >>> round(nearby(laws.uniform_replacement(1, 240, 0.8).atoms, 0.13, 0.5, 2.0)[0], 9)
        0.684167397
    """
    ell, p, q = atoms.ell.tolist(), atoms.p.tolist(), atoms.q.tolist()
    low, end, mu, u = 0.0, high, 0.5 * high, 0.0
    before: tuple[float, float] | None = None
    for _ in range(_OUTER):
        u = _level(ell, p, s, mu, u)
        kept = sum(
            m * 0.5 * math.erfc((mu / 2 - (u - at) / mu) * _ROOT_HALF) for at, m in zip(ell, q, strict=True)
        )
        excess = kept - threshold
        low, end = (mu, end) if excess > 0 else (low, mu)
        proposal = 0.5 * (low + end)
        if before is not None and excess != before[1]:
            secant = mu - excess * (mu - before[0]) / (excess - before[1])
            proposal = secant if low < secant < end else proposal
        if abs(proposal - mu) < 1e-9 * mu:
            return proposal, u
        before, mu = (mu, excess), proposal
    return mu, u


def _level(ell: list[float], p: list[float], s: float, mu: float, u: float) -> float:
    """u with P(ratio > u) = s, by Newton on the logarithm inside a bracket."""
    low, high = -math.inf, math.inf
    for _ in range(_INNER):
        above = slope = 0.0
        for at, m in zip(ell, p, strict=True):
            z = (u - at) / mu + mu / 2
            above += m * 0.5 * math.erfc(z * _ROOT_HALF)
            slope += m * _DENSITY * math.exp(-0.5 * z * z) / mu
        low, high = (u, high) if above > s else (low, u)
        move = math.log(above / s) * above / slope if above > 0.0 < slope else math.copysign(mu, above - s)
        following = u + move
        if not low < following < high:
            following = 0.5 * (max(low, u - 40 * mu) + min(high, u + 40 * mu))
        if abs(following - u) < 1e-10 * mu:
            return following
        u = following
    return u
