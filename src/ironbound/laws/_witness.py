"""The dual variable u* with P(ratio <= u*) = p, found for many p and mu at once.

Nothing here needs to be exact: the dual bound is flat to second order at u*, and valid at every u.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ironbound.laws._normal import ndtri
from ironbound.laws._tails import U_MAX, U_MIN, Atoms, density, tails

Array = NDArray[np.float64]

_MAX_STEPS = 200


def critical_atom(atoms: Atoms, p: Array, s: Array) -> NDArray[np.int64]:
    """Index of the finite atom in which the mass of P, summed in order of the ratio, reaches p.

    -1 where the mass at -inf alone reaches p. Shape (n,).
    """
    if atoms.ell.size == 0:
        return np.full(p.shape, -1)
    from_left = np.searchsorted(atoms.p_up_to, p, side="left") - 1
    # Seen from the right: the last atom whose upper tail still holds more than s.
    from_right = atoms.p_from.size - 1 - np.searchsorted(atoms.p_from[::-1], s, side="right")
    index = np.where(p > 0.5, from_right, from_left)
    return np.where(p <= atoms.p_below, -1, np.clip(index, 0, atoms.ell.size - 1)).astype(np.int64)


def critical_point(atoms: Atoms, mu: Array, p: Array, s: Array, start: Array | None = None) -> Array:
    """Solve P(ratio <= u) = p for u, shape (n,); s = 1 - p.

    Args:
        atoms: the discrete part.
        mu: Gaussian part per entry, shape (n,); zero everywhere or nowhere.
        p, s: the probability and its complement, shape (n,).
        start: first guess, shape (n,).
    Returns:
        u in [U_MIN, U_MAX]; the ends where no solution lies inside.
    """
    index = critical_atom(atoms, p, s)
    if atoms.ell.size == 0:
        return np.full(p.shape, U_MIN)
    reached = np.clip(index, 0, None)
    ell = np.where(index < 0, U_MIN, atoms.ell[reached])
    if not mu.any():
        return np.clip(ell, U_MIN, U_MAX)
    u = _guess(atoms, mu, p, s, reached) if start is None else start
    return _solve(atoms, mu, p, s, u, solvable=(index >= 0) & (s > 0.0) & (p > 0.0))


def _guess(atoms: Atoms, mu: Array, p: Array, s: Array, reached: NDArray[np.int64]) -> Array:
    """Exact where the Gaussian part is narrower than the gaps between atoms."""
    mass = np.maximum(atoms.p[reached], 1e-300)
    from_right = 1.0 - (s - atoms.p_from[reached + 1]) / mass
    inside = np.where(p > 0.5, from_right, (p - atoms.p_up_to[reached]) / mass)
    return atoms.ell[reached] + mu * ndtri(np.clip(inside, 1e-9, 1 - 1e-9)) - mu * mu / 2


def _solve(atoms: Atoms, mu: Array, p: Array, s: Array, u: Array, solvable: NDArray[np.bool_]) -> Array:
    """Newton steps on the normal scale, kept inside a shrinking bracket; bisection where they stall."""
    near_one = p > 0.5
    goal = ndtri(np.where(near_one, s, p))
    low, high = np.full(p.shape, U_MIN), np.full(p.shape, U_MAX)
    u = np.clip(u, low, high)
    result = np.where(p > atoms.p_below, U_MAX, U_MIN)
    result[solvable] = u[solvable]
    active = np.flatnonzero(solvable)
    for step in range(_MAX_STEPS):
        if active.size == 0:
            break
        at, m = result[active], mu[active]
        t = tails(atoms, at, m, near_one[active])
        mass = np.where(near_one[active], t.p_from, t.p_up_to)
        target = np.where(near_one[active], s[active], p[active])
        below = np.where(near_one[active], mass >= target, mass <= target)
        low[active] = np.where(below, at, low[active])
        high[active] = np.where(below, high[active], at)
        with np.errstate(all="ignore"):
            y = ndtri(mass)
            slope = density(atoms, at, m) * np.sqrt(2 * np.pi) * np.exp(0.5 * y * y)
            move = np.where(near_one[active], y - goal[active], goal[active] - y) / slope
        proposal = at + move
        inside = (proposal > low[active]) & (proposal < high[active])
        # Every fourth step halves the bracket, so that plateaus cannot hold Newton up.
        newton = inside & (step % 4 != 3) | (inside & (np.abs(move) <= 1e-3 * m))
        following = np.where(newton, proposal, 0.5 * (low[active] + high[active]))
        width = high[active] - low[active]
        done = (
            (inside & (np.abs(move) <= 1e-8 * m))
            | (np.abs(mass - target) <= 4e-16 * target)
            | (width <= 4e-16 * np.maximum(np.abs(at), 1e-3))
        )
        result[active] = np.where(done & ~inside, at, following)
        active = active[~done]
    return result
