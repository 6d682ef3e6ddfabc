"""The dual bounds of Neyman and Pearson at a stored witness, for one joint law.

With g = e^u and H(g) = E_P max(0, g - ratio) over the law of all changes, weak duality says, for every u,

    lowest attacked probability of a test with E_P >= p:     g p - H(g)
    highest attacked probability of a test with E_P <= r:    1 - g (1 - r) + H(g).

(The second is the first for the complementary test.) A Gaussian shift of mu sigmas beside atoms (p_i, q_i)
has H(g) = g P(ratio 0) + sum_i g p_i Phi(z_i + mu/2) - q_i Phi(z_i - mu/2), z_i = (u - log(q_i/p_i)) / mu.
Source: HRS (arXiv 2605.12876), section 4, put in the form of a hockey-stick divergence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from flint import arb

from ironbound.certificate import refuse
from ironbound.verify.balls import FIRST_BITS, exact, floor_float
from ironbound.verify.products import Joint

LARGEST_WITNESS = 1e5


@dataclass(frozen=True)
class Goal:
    """What has to be proved of the attacked probability: above a threshold, or above what a rival reaches.

    Attributes:
        p: lower bound on the clean probability of the prediction.
        threshold: the level to stay above, or None.
        rival: upper bound on every rival's clean probability, or None.
    """

    p: float
    threshold: float | None
    rival: Fraction | None


def proved_margin(
    laws: Sequence[Joint],
    mu: float,
    goal: Goal,
    witnesses: Sequence[float],
    rival_witnesses: Sequence[float],
    figure: str,
) -> float:
    """By how much the goal is cleared under the worst of the laws, each at its best witness, rounded down.

    Raises:
        InvalidCertificate: not cleared, or no usable witness.
    """
    _usable(witnesses, f"{figure}.witnesses", wanted=True)
    _usable(rival_witnesses, f"{figure}.rival_witnesses", wanted=goal.rival is not None)
    return _proved(tuple(laws), mu, goal, tuple(witnesses), tuple(rival_witnesses), figure)


@lru_cache(maxsize=1024)
def _proved(
    laws: tuple[Joint, ...],
    mu: float,
    goal: Goal,
    witnesses: tuple[float, ...],
    rival_witnesses: tuple[float, ...],
    figure: str,
) -> float:
    # Asked twice of every new certificate: to fill in its margins, and when it is checked as a whole.
    largest = max(abs(u) for u in (*witnesses, *rival_witnesses))
    bits = FIRST_BITS + math.ceil(1.45 * largest)  # g = e^u loses so many

    def margin() -> arb:
        return _least([_clearance(law, mu, goal, witnesses, rival_witnesses) for law in laws])

    value, positive = floor_float(margin, figure, bits=bits)
    if not positive:
        against = f"the threshold {goal.threshold!r}" if goal.rival is None else "the rivals"
        against += f", which it misses by {-value!r}"
        raise refuse(
            f"{figure}.mu",
            mu,
            f"small enough for the attacked probability to stay above {against}",
        )
    return value


def _usable(witnesses: Sequence[float], figure: str, *, wanted: bool) -> None:
    if bool(witnesses) != wanted:
        raise refuse(figure, tuple(witnesses), "given, one for each worst-case law" if wanted else "empty")
    for u in witnesses:
        if not abs(u) <= LARGEST_WITNESS:
            raise refuse(figure, u, f"the log of a likelihood ratio, within +-{LARGEST_WITNESS:g}")


def _clearance(
    law: Joint, mu: float, goal: Goal, witnesses: Sequence[float], rival_witnesses: Sequence[float]
) -> arb:
    p = arb(exact(goal.p))
    lower = _most([arb(exact(u)).exp() * p - shortfall(law, mu, u) for u in witnesses])
    if goal.rival is None:
        if goal.threshold is None:
            raise refuse("evidence.threshold", None, "a probability in (0, 1) where no rival is bounded")
        return lower - arb(exact(goal.threshold))
    rest = arb(exact(1 - goal.rival))
    upper = _least([1 - arb(exact(u)).exp() * rest + shortfall(law, mu, u) for u in rival_witnesses])
    return lower - upper


def shortfall(law: Joint, mu: float, u: float) -> arb:
    """H(e^u) = E_P max(0, e^u - ratio) under the law and a Gaussian shift mu, at the current precision."""
    at = arb(exact(u))
    g, scale = at.exp(), arb(law.scale)
    total = g * law.only_p
    if mu == 0.0:
        for p, q in law.atoms:
            total += (g * p - q).nonnegative_part()
        return total / scale
    shift = arb(exact(mu))
    half = shift / 2
    for p, q in law.atoms:
        weight_p, weight_q = arb(p), arb(q)
        z = (at - (weight_q / weight_p).log()) / shift
        total += g * weight_p * _normal(z + half) - weight_q * _normal(z - half)
    return total / scale


def _normal(x: arb) -> arb:
    return (-x / arb(2).sqrt()).erfc() / 2


def _least(values: Sequence[arb]) -> arb:
    found = values[0]
    for value in values[1:]:
        found = found.min(value)
    return found


def _most(values: Sequence[arb]) -> arb:
    found = values[0]
    for value in values[1:]:
        found = found.max(value)
    return found
