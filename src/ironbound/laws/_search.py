"""The search for the largest Gaussian shift that keeps a bound, vectorised over probabilities.

Newton's method proposes; the outward-rounded dual bound, evaluated at the shift that is returned, decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ironbound.errors import wrong_value
from ironbound.laws._complement import complement_down, complement_up
from ironbound.laws._normal import ndtri
from ironbound.laws._scalar import MOST_ATOMS, nearby
from ironbound.laws._tails import Atoms, lower_dual, shift_sensitivity, upper_dual
from ironbound.laws._witness import critical_point
from ironbound.laws.law import Law

Array = NDArray[np.float64]

_MAX_STEPS = 80
# Relative steps back from the root until the outward-rounded bound confirms the claim.
_BACK_OFF = (2e-13, 1e-12, 4e-12, 2e-11, 1e-10, 5e-10, 4e-9, 1e-7, 1e-5, 1e-3)


class Bounds(NamedTuple):
    """The lower bound, what it has to exceed, and the two dual variables; each of shape (n,)."""

    lower: Array
    exceeds: Array
    u: Array
    v: Array


class Found(NamedTuple):
    """Largest shifts and, where these are finite and > 0, the dual variables that prove them; shapes (n,)."""

    mu: Array
    u: Array
    v: Array


@dataclass(frozen=True, eq=False)
class Goal:
    """The condition that a shift has to keep: lower(p) > threshold, or lower(p) > upper(rival)."""

    atoms: Atoms
    p: Array
    s: Array
    threshold: float | None
    rival: Array | None
    rival_s: Array | None

    @staticmethod
    def build(law: Law, p: Array, threshold: float | None, rival: float | Array | None) -> Goal:
        if (threshold is None) == (rival is None):
            raise wrong_value("threshold, rival", (threshold, rival), "exactly one of the two")
        if threshold is not None and not (0.0 < threshold < 1.0):
            raise wrong_value("threshold", threshold, "a probability in (0, 1)")
        if not np.all((p >= 0.0) & (p <= 1.0)):
            raise wrong_value("p", p, "probabilities in [0, 1]")
        bound = None
        if rival is not None:
            bound = np.broadcast_to(np.asarray(rival, dtype=np.float64), p.shape).copy()
            if not np.all((bound >= 0.0) & (bound <= 1.0)):
                raise wrong_value("rival", rival, "a probability in [0, 1]")
        rest = None if bound is None else complement_down(bound)
        return Goal(law.atoms, p, complement_up(p), threshold, bound, rest)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Goal:
        if self.rival is None or self.rival_s is None:
            return Goal(self.atoms, self.p[rows], self.s[rows], self.threshold, None, None)
        return Goal(self.atoms, self.p[rows], self.s[rows], None, self.rival[rows], self.rival_s[rows])

    def bounds(self, mu: Array, start: tuple[Array, Array] | None = None) -> Bounds:
        """Both sides of the condition at mu, shape (n,), each rounded against it."""
        first, second = (None, None) if start is None else start
        u = critical_point(self.atoms, mu, self.p, self.s, first)
        low = lower_dual(self.atoms, u, mu, self.p, self.s)
        if self.rival is None or self.rival_s is None:
            return Bounds(low, np.full(low.shape, self.threshold), u, u)
        v = critical_point(self.atoms, mu, self.rival_s, self.rival, second)
        return Bounds(low, upper_dual(self.atoms, v, mu, self.rival, self.rival_s), u, v)

    def holds(self, mu: Array) -> NDArray[np.bool_]:
        found = self.bounds(mu)
        return found.lower > found.exceeds


def largest_mu(law: Law, p: Array, threshold: float | None, rival: float | Array | None) -> Array:
    """sup { mu : the goal holds }, rounded down; nan where it fails at mu = 0, inf where nothing ends it."""
    return search(law, p, threshold, rival).mu


def search(law: Law, p: Array, threshold: float | None, rival: float | Array | None) -> Found:
    """`largest_mu` with the witnesses of its last confirmation; nan where there was none."""
    goal = Goal.build(law, p, threshold, rival)
    result, u, v = (np.full(p.shape, np.nan) for _ in range(3))
    start = goal.holds(np.zeros(p.shape)) if p.size else np.zeros(0, dtype=bool)
    unbounded = start & _unbounded(goal)
    result[unbounded] = np.inf
    rows = np.flatnonzero(start & ~unbounded)
    if rows.size:
        part = goal.take(rows)
        result[rows], u[rows], v[rows] = _confirmed(part, _root(part))
    return Found(result, u, v)


def _unbounded(goal: Goal) -> NDArray[np.bool_]:
    """p = 1 leaves lower(1) = Q(where P has mass) at every mu; a rival of 0 leaves Q(where P has none)."""
    certain = goal.p >= 1.0
    if goal.rival is None:
        return certain
    return certain & (goal.rival <= 0.0)


def _root(goal: Goal) -> Found:
    """Approximate root of lower(mu) - goal, by Newton on the normal scale inside a bracket."""
    low = np.zeros(goal.p.shape)
    # No change of the discrete part helps the attacker less than some: the Gaussian radius is an upper end.
    with np.errstate(all="ignore"):
        if goal.rival is None:
            high = ndtri(goal.p) - ndtri(np.full(goal.p.shape, goal.threshold, dtype=np.float64))
        else:
            high = 0.5 * (ndtri(goal.p) - ndtri(goal.rival))
    high = np.where(np.isfinite(high), np.maximum(high, 0.0) * (1 + 1e-9) + 1e-9, 80.0)
    mu = high * (1.0 if goal.atoms.ell.size == 1 else 0.5)
    guess: tuple[Array, Array] | None = None
    if mu.size == 1 and goal.threshold is not None and 1 < goal.atoms.ell.size <= MOST_ATOMS:
        first, at_first = nearby(goal.atoms, float(goal.s[0]), goal.threshold, float(high[0]))
        if 0.0 < first < high[0]:
            mu, guess = np.array([first]), (np.array([at_first]), np.array([at_first]))
    active = np.arange(mu.size)
    root, u, v = mu.copy(), np.zeros(mu.shape), np.zeros(mu.shape)
    for step in range(_MAX_STEPS):
        at, part = root[active], goal.take(active)
        found = part.bounds(at, guess)
        u[active], v[active] = found.u, found.v
        ahead = found.lower > found.exceeds
        low[active] = np.where(ahead, at, low[active])
        high[active] = np.where(ahead, high[active], at)
        move = _newton(part, at, found)
        proposal = at + move
        inside = (proposal > low[active]) & (proposal < high[active])
        usable = inside & ((step % 4 != 3) | (np.abs(move) <= 1e-3 * at))
        following = np.where(usable, proposal, 0.5 * (low[active] + high[active]))
        width = high[active] - low[active]
        # The last step may land one rounding outside the bracket; it is no less converged for that.
        done = (np.abs(move) <= 1e-13 * at) | (width <= 1e-15 * high[active])
        # Newton doubles the digits: a small step from within the bracket ends where it leads.
        there = usable & (np.abs(move) <= 1e-8 * at)
        root[active] = np.where(done & ~there, at, following)
        done |= there
        moved = following - at
        keep = ~done
        active = active[keep]
        if active.size == 0:
            break
        # A witness moves with mu; the last one is a good start unless the step was large.
        calm = np.abs(moved[keep]) < 0.2 * at[keep]
        guess = (found.u[keep], found.v[keep]) if calm.all() else None
    return Found(root, u, v)


def _newton(goal: Goal, mu: Array, at: Bounds) -> Array:
    """Step that makes ndtri(lower) - ndtri(upper) vanish; exact in one step for a pure Gaussian law."""
    with np.errstate(all="ignore"):
        y, z = ndtri(at.lower), ndtri(at.exceeds)
        falling = shift_sensitivity(goal.atoms, at.u, mu) * np.exp(0.5 * y * y)
        if goal.rival is not None:
            falling = falling + shift_sensitivity(goal.atoms, at.v, mu) * np.exp(0.5 * z * z)
        move = (y - z) / (falling * math.sqrt(2 * math.pi))
    return np.where(np.isfinite(move), move, np.nan)


def _confirmed(goal: Goal, root: Found) -> Found:
    """Step back from the root until the outward-rounded bound itself holds there."""
    result, u, v = np.zeros(root.mu.shape), np.full(root.mu.shape, np.nan), np.full(root.mu.shape, np.nan)
    waiting = np.arange(root.mu.size)
    for back in _BACK_OFF:
        candidate = root.mu[waiting] * (1.0 - back)
        held = np.zeros(waiting.shape, dtype=bool)
        positive = candidate > 0.0
        if positive.any():
            rows = waiting[positive]
            # At the root's own dual variables the search for those at the candidate ends at once.
            near = (root.u[rows], root.v[rows]) if back < 1e-6 else None
            found = goal.take(rows).bounds(candidate[positive], near)
            proved = found.lower > found.exceeds
            held[positive] = proved
            u[rows[proved]], v[rows[proved]] = found.u[proved], found.v[proved]
        result[waiting[held]] = candidate[held]
        waiting = waiting[~held]
        if waiting.size == 0:
            break
    return Found(result, u, v)
