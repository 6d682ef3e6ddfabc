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

_MOST = float(np.finfo(np.float64).max)
_STEPS = 100
_GAIN = 2e-14  # stop when one more step promises less than this share of phi
_LAST = 1e-7  # so close that the step itself, of third order, ends below that: take it and stop


def bound(lam: Array, c: Array, squares: Array, low: Array, lowest: Array | None = None) -> Array:
    """phi(lam), rounded down; shape (n,). Zero where lam is not admissible beyond doubt or phi is not
    positive.

    Args:
        lam, c: shape (n,); c a lower bound on the margin. squares: shape (n, D), upper bounds on g_i^2 up to
            `SQUARES_SLACK` of themselves. low: shape (D,), or (n, D), lower bounds on a_i.
        lowest: the least of `low`, where it is there already: shape () or (n,).
    """
    least = low.min(axis=-1) if lowest is None else lowest
    size = low.shape[-1]
    with np.errstate(all="ignore"):
        lam = np.where((lam > 0.0) & np.isfinite(lam), lam, 0.0)
        # With a' = a (1 - 4u), fl(fl(lam a') + (1 - 6u)) never exceeds the pivot 1 + lam a: the term in a' is
        # at most lam a (1 - 2u) for a > 0, lam a (1 - 6u) for a < 0, and the sum rounds up by u at most.
        safe = lam[:, None] * (low * (1.0 - 4.0 * UNIT))
        safe += 1.0 - 6.0 * UNIT
        smallest = (1.0 + lam * least) * (1.0 - 4.0 * UNIT) - 2.0 * UNIT
        np.divide(squares, safe, out=safe)
        cost = (safe @ np.ones(size)) * (1.0 + gamma(size + 4)) * (1.0 + SQUARES_SLACK)
        value = lam * (c * (1.0 - 2.0 * UNIT) - lam * cost * (1.0 + 2.0 * UNIT))
        value *= 1.0 - 4.0 * UNIT
    # A value beyond the largest float is at least that one; infinity says that there is no rival at all.
    return np.where((smallest > 0.0) & (c > 0.0) & (value > 0.0), np.minimum(value, _MOST), 0.0)


def unreachable(c: Array, squares: Array, low: Array) -> NDArray[np.bool_]:
    """True where the quadric's inside is certainly empty: A > 0 and c > b^T A^-1 b. Shape (n,)."""
    if not low.min() > 0.0:
        return np.zeros(c.shape, dtype=bool)
    depth = squares @ (1.0 / low)
    return c > depth * (1.0 + gamma(low.size + 8)) * (1.0 + SQUARES_SLACK)


def maximise(c: Array, squares: Array, low: Array) -> Array:
    """The lam that maximises phi, to about the square root of the precision; inf where phi is unbounded.

    Args:
        c, squares, low: as for `bound`.
    """
    result = np.zeros(c.shape)
    empty = unreachable(c, squares, low)
    result[empty] = np.inf
    rows = np.flatnonzero(~empty & (c > 0.0))
    if rows.size:
        if rows.size < c.size:
            c, squares = c[rows], squares[rows]
        first = start(c, squares, low)
        result[rows] = refine(first, c, squares, low, low.min(), stiffness(squares, low))
    return result


def stiffness(squares: Array, low: Array) -> Array:
    """The part of the squares that belongs to the lowest eigenvalue, if that is negative; shape (n,)."""
    lowest = float(low.min())
    return squares[:, low <= lowest * (1.0 - 1e-12)].sum(axis=1) if lowest < 0.0 else np.zeros(len(squares))


def refine(
    lam: Array,
    c: Array,
    squares: Array,
    low: Array,
    lowest: Array,
    stiff: Array,
    enough: Array | None = None,
) -> Array:
    """The maximising lam, searched from admissible values `lam` on, for c > 0 and a bounded phi.

    Third order: the sums up to the third derivative fit a quadric of one eigenvalue, whose maximum is taken
    in closed form, inside a bracket. Near the pole of the lowest eigenvalue (the hard case) the pole's own
    term and the rest are fitted apart.

    Args:
        low: shape (D,), or (n, D), one quadric for each row. lowest: its least, shape () or (n,).
        stiff: shape (n,), as `stiffness` gives it.
        enough: shape (n,); the search of a row ends once phi exceeds this, maximum or not.
    """
    result, rows = lam.copy(), np.arange(lam.size)
    target = np.full(c.shape, np.inf) if enough is None else enough * (1.0 + 1e-9)
    pole = np.broadcast_to(_pole(lowest), c.shape)
    below, above = np.zeros(c.shape), pole
    for _ in range(_STEPS):
        following, phi, gain, rising = _step(lam, c, squares, low, stiff, pole)
        below, above = np.where(rising, lam, below), np.where(rising, above, lam)
        with np.errstate(invalid="ignore"):
            usable = (following > below) & (following < above)
            last = usable & (gain <= _LAST)
            if not usable.all():
                following = np.where(usable, following, _inside(lam, below, above, pole))
            done = last | (gain <= _GAIN) | (phi > target) | (above * (1.0 - 4.0 * UNIT) <= below)
        result[rows[done]] = np.where(last, following, lam)[done]
        if done.any():
            keep = ~done
            rows, c, squares, target, stiff = rows[keep], c[keep], squares[keep], target[keep], stiff[keep]
            below, above, following, pole = below[keep], above[keep], following[keep], pole[keep]
            low = low[keep] if low.ndim == 2 else low
        lam = following
        if not rows.size:
            break
    result[rows] = lam
    return result


def start(c: Array, squares: Array, low: Array, total: Array | None = None) -> Array:
    """An admissible lam, for c > 0: the root of the one-eigenvalue model at lam = 0, or a safe point below
    the pole.

    Args:
        total: shape (n,), the sums of `squares`, where they are there already.
    """
    if total is None:
        total = squares @ np.ones(low.size)
    pole = _pole(low.min())
    with np.errstate(all="ignore"):
        newton = c / (2.0 * total)
        lam = _jump(c, 2.0 * total, (squares @ low) / total, np.zeros(c.shape))
    return np.where((lam > 0.0) & (lam < pole), lam, np.minimum(newton, 0.5 * pole))


def _pole(lowest: Array) -> Array:
    """Where 1 + lam a reaches 0 for the lowest a, a little before; inf where it never does."""
    with np.errstate(divide="ignore"):
        return np.where(lowest < 0.0, -1.0 / lowest * (1.0 - 8.0 * UNIT), np.inf)


def _inside(lam: Array, below: Array, above: Array, pole: Array) -> Array:
    """A point inside the bracket: towards the pole by a factor of 8, upwards by 8, or the middle."""
    toward = above - (above - below) / 8.0
    middle = 0.5 * (below + above)
    return np.where(np.isinf(above), 8.0 * lam, np.where(above == pole, toward, middle))


def _step(
    lam: Array, c: Array, squares: Array, low: Array, stiff: Array, pole: Array
) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
    """Next lam, phi(lam), the relative gain that the next lam promises, and whether phi rises at lam."""
    one = np.ones(low.shape[-1])
    with np.errstate(all="ignore"):
        t = lam[:, None] * low
        t += 1.0
        np.reciprocal(t, out=t)
        w = squares * t
        first = w @ one
        w *= t
        second = w @ one
        w *= t
        third = w @ one
        w *= t
        bend = (w @ low if low.ndim == 1 else np.einsum("ij,ij->i", w, low)) / third
        phi = lam * (c - lam * first)
        slope = c - lam * (first + second)
        following = _jump(slope, 2.0 * third, bend, lam)
        # phi' ~ rest - stiff * pole / s^2 with s = 1 - lam / pole: where the model has no root before the
        # pole but the rest keeps rising, this one has. Without a pole `target` is nan.
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
