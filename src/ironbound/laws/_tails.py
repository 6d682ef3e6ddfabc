"""Evaluation of the two tails of a law, and of the dual bounds, with outward rounding.

Everything a certificate rests on passes through `lower_dual` or `upper_dual`. Both are valid at any u;
how u was found does not matter for soundness, only for tightness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ironbound.laws._normal import ndtr

Array = NDArray[np.float64]

# Relative error of one evaluated term: scipy's ndtr is documented to 3.4e-14 in the tail, the argument and
# the sums of up to a thousand positive terms add less. Twice the sum, so that the rounding is outward.
EVALUATION_ERROR = 1.5e-13
# Beyond these, e^u leaves float64; the bounds stay valid there because every u is valid.
U_MIN, U_MAX = -740.0, 700.0
# Below it the spacing of floats is no longer a share of the number, and no relative error covers a rounding.
_NORMAL = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, eq=False)
class Atoms:
    """Finite atoms in linear scale, and the masses at -inf (under P) and at +inf (under Q).

    `p_up_to[k]`, `q_up_to[k]` are the masses of the first k finite atoms, with the mass at -inf;
    `p_from[k]`, `q_from[k]` those of the others, with the mass at +inf. Shapes (m,) and (m + 1,).
    """

    ell: Array
    p: Array
    q: Array
    p_below: float
    q_above: float
    error: float
    p_up_to: Array
    p_from: Array
    q_up_to: Array
    q_from: Array

    @staticmethod
    def build(log_ratio: Array, p: Array, q: Array, tolerance: float) -> Atoms:
        finite = np.isfinite(log_ratio)
        p_below = float(p[log_ratio == -np.inf].sum())
        q_above = float(q[log_ratio == np.inf].sum())
        ell, p, q = log_ratio[finite], p[finite], q[finite]
        zero = np.zeros(1)
        return Atoms(
            ell=ell,
            p=p,
            q=q,
            p_below=p_below,
            q_above=q_above,
            error=EVALUATION_ERROR + tolerance,
            p_up_to=p_below + np.concatenate([zero, np.cumsum(p)]),
            p_from=np.concatenate([np.cumsum(p[::-1])[::-1], zero]),
            q_up_to=np.concatenate([zero, np.cumsum(q)]),
            q_from=q_above + np.concatenate([np.cumsum(q[::-1])[::-1], zero]),
        )


class Tails(NamedTuple):
    """P(ratio <= u), P(ratio > u), Q(ratio <= u), Q(ratio > u), each of shape (n,)."""

    p_up_to: Array
    p_from: Array
    q_up_to: Array
    q_from: Array


def tails(atoms: Atoms, u: Array, mu: Array, atom_below: NDArray[np.bool_]) -> Tails:
    """All four tail masses at u, shape (n,); mu of shape (n,) is either zero everywhere or nowhere.

    Without a Gaussian part an atom may lie exactly at u. `atom_below` says on which side it is counted; the
    dual bounds are the same either way, but the side whose mass is at most p (or 1 - p) loses no digits.
    """
    if not mu.any():
        right, left = (np.searchsorted(atoms.ell, u, side=side) for side in ("right", "left"))
        index = np.where(atom_below, right, left)
        return Tails(atoms.p_up_to[index], atoms.p_from[index], atoms.q_up_to[index], atoms.q_from[index])
    centred = (u[:, None] - atoms.ell) / mu[:, None]
    half = mu[:, None] / 2
    under_p, under_q = centred + half, centred - half
    return Tails(
        atoms.p_below + ndtr(under_p) @ atoms.p,
        ndtr(-under_p) @ atoms.p,
        ndtr(under_q) @ atoms.q,
        atoms.q_above + ndtr(-under_q) @ atoms.q,
    )


def lower_dual(atoms: Atoms, u: Array, mu: Array, p: Array, s: Array) -> Array:
    """V(u) + e^u (p - F(u)), rounded down; s = 1 - p carries the precision when p is near 1."""
    u = np.clip(u, U_MIN, U_MAX)
    near_one = p > 0.5
    t, slope = tails(atoms, u, mu, near_one), np.exp(u)
    surplus = np.where(near_one, t.p_from - s, p - t.p_up_to)
    scale = np.where(near_one, t.p_from + s, p + t.p_up_to)
    value = t.q_up_to + slope * surplus - atoms.error * (t.q_up_to + slope * scale)
    # At p = 1 every test is 1 wherever P has mass: what remains is all of Q but its mass at +inf.
    # It is added up from what remains, since 1 - q_above would lose the digits of a small rest.
    certain = float(atoms.q_up_to[-1]) * (1.0 - atoms.error)
    value = np.where(s <= 0.0, max(certain, 0.0), value)
    return np.where(value >= _NORMAL, np.minimum(value, 1.0), 0.0)


def upper_dual(atoms: Atoms, u: Array, mu: Array, p: Array, s: Array) -> Array:
    """Q(ratio > u) + e^u (p - P(ratio > u)), rounded up; s = 1 - p carries the precision near 1."""
    u = np.clip(u, U_MIN, U_MAX)
    near_one = p > 0.5
    t, slope = tails(atoms, u, mu, ~near_one), np.exp(u)
    surplus = np.where(near_one, t.p_up_to - s, p - t.p_from)
    scale = np.where(near_one, t.p_up_to + s, p + t.p_from)
    value = t.q_from + slope * surplus + atoms.error * (t.q_from + slope * scale)
    value = np.maximum(value, _NORMAL)
    impossible = atoms.q_above * (1.0 + atoms.error)
    value = np.where(p <= 0.0, impossible, value)
    return np.clip(value, 0.0, 1.0)


def density(atoms: Atoms, u: Array, mu: Array) -> Array:
    """Derivative of P(ratio <= u) in u, shape (n,), for mu > 0."""
    z = (u[:, None] - atoms.ell) / mu[:, None] + mu[:, None] / 2
    return (np.exp(-0.5 * z * z) @ atoms.p) / (mu * np.sqrt(2 * np.pi))


def shift_sensitivity(atoms: Atoms, u: Array, mu: Array) -> Array:
    """-d lower / d mu = d upper / d mu at the optimal u (envelope theorem): sum_i q_i phi(z_i - mu)."""
    z = (u[:, None] - atoms.ell) / mu[:, None] - mu[:, None] / 2
    return (np.exp(-0.5 * z * z) @ atoms.q) / np.sqrt(2 * np.pi)
