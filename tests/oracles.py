"""Independent oracles: Neyman-Pearson values from plain enumeration, sharing no code with the package."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath as mp
import pytest

DIGITS = 50

Pair = tuple[Fraction, Fraction]
Real = Any  # an mpmath number; mpmath carries no types


def reference_folder() -> Path:
    """Where the high-precision values lie; skips the test, with the reason, when they do not."""
    named = os.environ.get("IRONBOUND_REFERENCE")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "reference"
    if not folder.is_dir():
        pytest.skip(f"no reference values: set IRONBOUND_REFERENCE to their folder (looked in {folder})")
    return folder


def replacement_pairs(alphabet: int, beta: Fraction, clean: int, attacked: int) -> list[Pair]:
    """(P, Q) of every symbol that one position can show; the alphabet is 0..alphabet-1."""
    shown = sorted(set(range(alphabet)) | {clean, attacked})

    def mass(symbol: int, origin: int) -> Fraction:
        if symbol == origin:
            return 1 - beta
        if symbol >= alphabet:
            return Fraction(0)
        return beta / (alphabet - 1 if origin < alphabet else alphabet)

    return [(mass(z, clean), mass(z, attacked)) for z in shown]


def mask_pairs(beta: Fraction) -> list[Pair]:
    return [(1 - beta, Fraction(0)), (Fraction(0), 1 - beta), (beta, beta)]


def joint(positions: Sequence[Sequence[Pair]]) -> list[Pair]:
    """Every joint outcome of independent positions, with equal outcomes added up."""
    total: dict[Pair, int] = {(Fraction(1), Fraction(1)): 1}
    for pairs in positions:
        following: dict[Pair, int] = {}
        for (p, q), ways in total.items():
            for a, b in pairs:
                key = (p * a, q * b)
                if key != (0, 0):
                    following[key] = following.get(key, 0) + ways
        total = following
    return [(p * ways, q * ways) for (p, q), ways in total.items()]


def exact_lower_discrete(pairs: Iterable[Pair], p: Fraction) -> Fraction:
    """Fractional knapsack: spend p where Q is cheapest per unit of P. The worst test, in exact arithmetic."""
    spent, cost = Fraction(0), Fraction(0)
    for a, b in sorted((pq for pq in pairs if pq[0] > 0), key=lambda pq: pq[1] / pq[0]):
        take = min(a, p - spent)
        if take <= 0:
            break
        spent, cost = spent + take, cost + take / a * b
    return cost


def exact_lower(pairs: Sequence[Pair], mu: Real, p: Real) -> Real:
    """min E_Q[h] over E_P[h] >= p for the outcomes joined by a Gaussian shift mu, to about 45 digits."""
    if mu == 0:
        exact = exact_lower_discrete(pairs, _fraction(p))
        return _mpf(exact)
    p_below = sum((a for a, b in pairs if b == 0), Fraction(0))
    if p <= _mpf(p_below):
        return mp.mpf(0)
    atoms = [(_mpf(a), _mpf(b), mp.log(_mpf(b)) - mp.log(_mpf(a))) for a, b in pairs if a > 0 and b > 0]

    def upper_tail(u: Real) -> Real:
        return mp.fsum(a * mp.ncdf(-((u - ell) / mu + mu / 2)) for a, _, ell in atoms)

    spread = max(abs(ell) for _, _, ell in atoms)
    low, high = -spread - 60 * mu - mu * mu - 200, spread + 60 * mu + mu * mu + 200
    rest = 1 - p
    for _ in range(220):
        middle = (low + high) / 2
        low, high = (middle, high) if upper_tail(middle) > rest else (low, middle)
    u = (low + high) / 2
    inside = mp.fsum(b * mp.ncdf((u - ell) / mu - mu / 2) for _, b, ell in atoms)
    return inside - mp.exp(u) * (rest - upper_tail(u))


def exact_upper(pairs: Sequence[Pair], mu: Real, p: Real) -> Real:
    return 1 - exact_lower(pairs, mu, 1 - p)


def every_choice(options: Sequence[Sequence[Sequence[Pair]]], d: int) -> Iterable[list[Sequence[Pair]]]:
    """Every way to change exactly d of the positions, each into any of its options."""
    for places in itertools.combinations(range(len(options)), d):
        yield from (list(c) for c in itertools.product(*(options[i] for i in places)))


def _mpf(value: Fraction) -> Real:
    return mp.mpf(value.numerator) / value.denominator


def _fraction(value: Real) -> Fraction:
    sign, mantissa, exponent, _ = value._mpf_
    number = Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
    return -number if sign else number
