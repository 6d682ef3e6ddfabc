"""From a law to a radius: the largest Gaussian shift at which the attacked probability still suffices.

r(d) = sigma * sup { mu : lower_{d,mu}(p_A) > threshold }, or with a rival's bound p_B,
sup { mu : lower(p_A) > upper(p_B) } (math notes, section 2). Every result is confirmed by evaluating the
outward-rounded dual bound at the radius returned; the search only decides how tight it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ironbound.errors import wrong_value
from ironbound.laws._complement import complement_down, complement_up
from ironbound.laws._normal import ndtri
from ironbound.laws._tails import Atoms, lower_dual, shift_sensitivity, upper_dual
from ironbound.laws._witness import critical_point
from ironbound.laws.law import Law

Array = NDArray[np.float64]

_MAX_STEPS = 80
# Relative steps back from the root until the outward-rounded bound confirms the claim.
_BACK_OFF = (2e-13, 1e-12, 4e-12, 2e-11, 1e-10, 5e-10, 4e-9, 1e-7, 1e-5, 1e-3)


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
    mu = math.inf
    for law in laws:
        found = float(_largest_mu(law, np.array([p]), threshold, rival)[0])
        if math.isnan(found):
            return None
        mu = min(mu, found)
    return _with_witnesses(laws, mu, p, rival)


def certified(
    candidates: Law | Sequence[Law], p: float, *, threshold: float | None = None, rival: float | None = None
) -> Shift | None:
    """Whether the discrete change alone is certified (no continuous channel attacked): `Shift` with mu 0."""
    laws = (candidates,) if isinstance(candidates, Law) else tuple(candidates)
    for law in laws:
        goal = _Goal.build(law, np.array([p]), threshold, rival)
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
    mu = _largest_mu(law, array.reshape(-1), threshold, rival)
    scaled = mu * sigma
    return np.where(scaled > 0, np.nextafter(scaled, 0.0), scaled).reshape(array.shape)


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


class _Bounds(NamedTuple):
    """The lower bound, what it has to exceed, and the two dual variables; each of shape (n,)."""

    lower: Array
    exceeds: Array
    u: Array
    v: Array


@dataclass(frozen=True, eq=False)
class _Goal:
    """The condition that a shift has to keep: lower(p) > threshold, or lower(p) > upper(rival)."""

    atoms: Atoms
    p: Array
    s: Array
    threshold: float | None
    rival: Array | None
    rival_s: Array | None

    @staticmethod
    def build(law: Law, p: Array, threshold: float | None, rival: float | Array | None) -> _Goal:
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
        return _Goal(law.atoms, p, complement_up(p), threshold, bound, rest)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> _Goal:
        if self.rival is None or self.rival_s is None:
            return _Goal(self.atoms, self.p[rows], self.s[rows], self.threshold, None, None)
        return _Goal(self.atoms, self.p[rows], self.s[rows], None, self.rival[rows], self.rival_s[rows])

    def bounds(self, mu: Array, start: tuple[Array, Array] | None = None) -> _Bounds:
        """Both sides of the condition at mu, shape (n,), each rounded against it."""
        first, second = (None, None) if start is None else start
        u = critical_point(self.atoms, mu, self.p, self.s, first)
        low = lower_dual(self.atoms, u, mu, self.p, self.s)
        if self.rival is None or self.rival_s is None:
            return _Bounds(low, np.full(low.shape, self.threshold), u, u)
        v = critical_point(self.atoms, mu, self.rival_s, self.rival, second)
        return _Bounds(low, upper_dual(self.atoms, v, mu, self.rival, self.rival_s), u, v)

    def holds(self, mu: Array) -> NDArray[np.bool_]:
        found = self.bounds(mu)
        return found.lower > found.exceeds


def _largest_mu(law: Law, p: Array, threshold: float | None, rival: float | Array | None) -> Array:
    """sup { mu : the goal holds }, rounded down; nan where it fails at mu = 0, inf where nothing ends it."""
    goal = _Goal.build(law, p, threshold, rival)
    result = np.full(p.shape, np.nan)
    start = goal.holds(np.zeros(p.shape)) if p.size else np.zeros(0, dtype=bool)
    unbounded = start & _unbounded(goal)
    result[unbounded] = np.inf
    rows = np.flatnonzero(start & ~unbounded)
    if rows.size:
        part = goal.take(rows)
        result[rows] = _confirmed(part, _root(part))
    return result


def _unbounded(goal: _Goal) -> NDArray[np.bool_]:
    """p = 1 leaves lower(1) = Q(where P has mass) at every mu; a rival of 0 leaves Q(where P has none)."""
    certain = goal.p >= 1.0
    if goal.rival is None:
        return certain
    return certain & (goal.rival <= 0.0)


def _root(goal: _Goal) -> Array:
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
    active = np.arange(mu.size)
    root = mu.copy()
    guess: tuple[Array, Array] | None = None
    for step in range(_MAX_STEPS):
        at, part = root[active], goal.take(active)
        found = part.bounds(at, guess)
        ahead = found.lower > found.exceeds
        low[active] = np.where(ahead, at, low[active])
        high[active] = np.where(ahead, high[active], at)
        move = _newton(part, at, found)
        proposal = at + move
        inside = (proposal > low[active]) & (proposal < high[active])
        usable = inside & ((step % 4 != 3) | (np.abs(move) <= 1e-3 * at))
        following = np.where(usable, proposal, 0.5 * (low[active] + high[active]))
        width = high[active] - low[active]
        done = (inside & (np.abs(move) <= 1e-14 * at)) | (width <= 1e-15 * high[active])
        root[active] = np.where(done, at, following)
        moved = following - at
        keep = ~done
        active = active[keep]
        if active.size == 0:
            break
        # A witness moves with mu; the last one is a good start unless the step was large.
        calm = np.abs(moved[keep]) < 0.2 * at[keep]
        guess = (found.u[keep], found.v[keep]) if calm.all() else None
    return root


def _newton(goal: _Goal, mu: Array, at: _Bounds) -> Array:
    """Step that makes ndtri(lower) - ndtri(upper) vanish; exact in one step for a pure Gaussian law."""
    with np.errstate(all="ignore"):
        y, z = ndtri(at.lower), ndtri(at.exceeds)
        falling = shift_sensitivity(goal.atoms, at.u, mu) * np.exp(0.5 * y * y)
        if goal.rival is not None:
            falling = falling + shift_sensitivity(goal.atoms, at.v, mu) * np.exp(0.5 * z * z)
        move = (y - z) / (falling * math.sqrt(2 * math.pi))
    return np.where(np.isfinite(move), move, np.nan)


def _confirmed(goal: _Goal, root: Array) -> Array:
    """Step back from the root until the outward-rounded bound itself holds there."""
    result = np.zeros(root.shape)
    waiting = np.arange(root.size)
    for back in _BACK_OFF:
        candidate = root[waiting] * (1.0 - back)
        positive = candidate > 0.0
        held = np.zeros(waiting.shape, dtype=bool)
        if positive.any():
            held[positive] = goal.take(waiting[positive]).holds(candidate[positive])
        result[waiting[held]] = candidate[held]
        waiting = waiting[~held]
        if waiting.size == 0:
            break
    return result


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
