"""The concave one-dimensional dual of the distance to a quadric, for many inputs at once.

    phi(lam) = lam c - lam^2 sum_i g_i^2 / (1 + lam a_i),      lam >= 0,  1 + lam a_i > 0 for all i.

Every admissible lam gives phi(lam) <= (distance)^2 (weak duality); the maximum attains it (S-lemma; Boyd and
Vandenberghe, *Convex Optimization*, appendix B). The search below only proposes; `bound` decides, rounded
down.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ironbound.latent._rounding import UNIT, Array, gamma

SQUARES_SLACK = 32.0 * UNIT
"""Relative rounding of the squares that callers may leave to `bound`."""

_STEPS = 100
_GAIN = 2e-14  # stop when one more step promises less than this share of phi


def bound(lam: Array, c: Array, squares: Array, low: Array) -> Array:
    """phi(lam), rounded down; shape (n,). Zero where lam is not admissible beyond doubt or phi is not
    positive.

    Args:
        lam, c: shape (n,); c a lower bound on the margin. squares: shape (n, D), upper bounds on g_i^2 up to
            `SQUARES_SLACK` of themselves. low: shape (D,), lower bounds on a_i.
    """
    with np.errstate(all="ignore"):
        lam = np.where((lam > 0.0) & np.isfinite(lam), lam, 0.0)
        # A pivot p = fl(1 + fl(lam a)) errs by at most u (1 + 2 |p|); the next two lines take that off.
        safe = np.multiply.outer(lam, low)
        safe += 1.0
        safe *= 1.0 - 4.0 * UNIT
        safe -= 2.0 * UNIT
        smallest = (1.0 + lam * low.min()) * (1.0 - 4.0 * UNIT) - 2.0 * UNIT
        np.divide(squares, safe, out=safe)
        cost = (safe @ np.ones(low.size)) * (1.0 + gamma(low.size + 4)) * (1.0 + SQUARES_SLACK)
        value = lam * (c * (1.0 - 2.0 * UNIT) - lam * cost * (1.0 + 2.0 * UNIT))
        value *= 1.0 - 4.0 * UNIT
    return np.where((smallest > 0.0) & (c > 0.0) & (value > 0.0), value, 0.0)


def unreachable(c: Array, squares: Array, low: Array) -> NDArray[np.bool_]:
    """True where the quadric's inside is certainly empty: A > 0 and c > b^T A^-1 b. Shape (n,)."""
    if not low.min() > 0.0:
        return np.zeros(c.shape, dtype=bool)
    depth = squares @ (1.0 / low)
    return c > depth * (1.0 + gamma(low.size + 8)) * (1.0 + SQUARES_SLACK)


def maximise(c: Array, squares: Array, low: Array, enough: Array | None = None) -> Array:
    """The lam that maximises phi, to about the square root of the precision; inf where phi is unbounded.

    Third order: the sums up to the third derivative fit a quadric of one eigenvalue, whose maximum is taken
    in closed form, inside a bracket. Near the pole of the lowest eigenvalue (the hard case) the pole's own
    term and the rest are fitted apart.

    Args:
        c, squares, low: as for `bound`.
        enough: shape (n,); the search of a row ends once phi exceeds this, maximum or not.
    """
    result = np.zeros(c.shape)
    empty = unreachable(c, squares, low)
    result[empty] = np.inf
    rows = np.flatnonzero(~empty & (c > 0.0))
    if not rows.size:
        return result
    lowest = float(low.min())
    pole = -1.0 / lowest * (1.0 - 8.0 * UNIT) if lowest < 0.0 else np.inf
    at_pole = low <= lowest * (1.0 - 1e-12) if lowest < 0.0 else np.zeros(low.shape, dtype=bool)
    target = np.full(c.shape, np.inf) if enough is None else enough * (1.0 + 1e-9)
    if rows.size < c.size:
        c, squares, target = c[rows], squares[rows], target[rows]
    lam = _start(c, squares, low, pole)
    if enough is not None:
        # The start alone is enough for most rivals, and costs a third of a step.
        far = _value(lam, c, squares, low) > target
        result[rows[far]] = lam[far]
        keep = ~far
        rows, c, squares, target, lam = rows[keep], c[keep], squares[keep], target[keep], lam[keep]
    below, above = np.zeros(c.shape), np.full(c.shape, pole)
    stiff = squares[:, at_pole].sum(axis=1)
    for _ in range(_STEPS):
        following, phi, gain, rising = _step(lam, c, squares, low, stiff, pole)
        below, above = np.where(rising, lam, below), np.where(rising, above, lam)
        with np.errstate(invalid="ignore"):
            usable = (following > below) & (following < above)
            following = np.where(usable, following, _inside(lam, below, above, pole))
            done = (gain <= _GAIN) | (phi > target) | (above * (1.0 - 4.0 * UNIT) <= below)
        result[rows[done]] = lam[done]
        if done.any():
            keep = ~done
            rows, c, squares, target, stiff = rows[keep], c[keep], squares[keep], target[keep], stiff[keep]
            below, above, following = below[keep], above[keep], following[keep]
        lam = following
        if not rows.size:
            break
    result[rows] = lam
    return result


def _start(c: Array, squares: Array, low: Array, pole: float) -> Array:
    """Root of the one-eigenvalue model at lam = 0, or a safe point below the pole."""
    total = squares @ np.ones(low.size)
    with np.errstate(all="ignore"):
        newton = c / (2.0 * total)
        lam = _jump(c, 2.0 * total, (squares @ low) / total, np.zeros(c.shape))
    return np.where((lam > 0.0) & (lam < pole), lam, np.minimum(newton, 0.5 * pole))


def _value(lam: Array, c: Array, squares: Array, low: Array) -> Array:
    """phi(lam) without any care for rounding."""
    with np.errstate(all="ignore"):
        t = np.multiply.outer(lam, low)
        t += 1.0
        np.divide(squares, t, out=t)
        return lam * (c - lam * (t @ np.ones(low.size)))


def _inside(lam: Array, below: Array, above: Array, pole: float) -> Array:
    """A point inside the bracket: towards the pole by a factor of 8, upwards by 8, or the middle."""
    toward = above - (above - below) / 8.0
    middle = 0.5 * (below + above)
    return np.where(np.isinf(above), 8.0 * lam, np.where(above == pole, toward, middle))


def _step(
    lam: Array, c: Array, squares: Array, low: Array, stiff: Array, pole: float
) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
    """Next lam, phi(lam), the relative gain that the next lam promises, and whether phi rises at lam."""
    one = np.ones(low.size)
    with np.errstate(all="ignore"):
        t = np.multiply.outer(lam, low)
        t += 1.0
        np.reciprocal(t, out=t)
        w = squares * t
        first = w @ one
        w *= t
        second = w @ one
        w *= t
        third = w @ one
        w *= t
        bend = (w @ low) / third
        phi = lam * (c - lam * first)
        slope = c - lam * (first + second)
        following = _jump(slope, 2.0 * third, bend, lam)
        if np.isfinite(pole):
            # phi' ~ rest - stiff * pole / s^2 with s = 1 - lam / pole: where the model has no root before the
            # pole but the rest keeps rising, this one has.
            s = 1.0 - lam / pole
            rest = slope + stiff * lam * (1.0 + s) / (s * s)
            target = np.sqrt(stiff * pole / rest)
            hard = ~(following < pole) & (rest > 0.0) & (target < s)
            following = np.where(hard, pole * (1.0 - np.minimum(target, 0.5)), following)
        gain = np.abs(slope * (following - lam)) / phi
    gain = np.where((phi > 0.0) & np.isfinite(gain), gain, np.inf)
    return following, phi, gain, slope > 0.0


def _jump(slope: Array, curvature: Array, bend: Array, lam: Array) -> Array:
    """Root of slope - curvature * (1 - (1 + h bend)^-2) / (2 bend) in h, added to lam; nan where there is
    none.
    """
    newton = slope / curvature
    z = 2.0 * bend * newton
    root = np.sqrt(1.0 - z)
    # (1/root - 1)/bend without cancellation: 1 - root = z/(1 + root).
    return lam + 2.0 * newton / (root * (1.0 + root))
