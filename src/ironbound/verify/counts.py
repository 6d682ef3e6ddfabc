"""Confidence bounds from counts, checked at the recorded bound alone: no solver, two inequalities.

A lower bound b is right when its test rejects every probability up to b, and exact to the last digit when the
next float is not rejected any more. So no count can be changed without its bound showing it.

* Clopper-Pearson (Biometrika 26, 1934): p is rejected when P(Bin(n, p) >= k) <= alpha.
* Beta mixture (Robbins 1970; Ville's inequality): p0 is rejected when M_n(p0) >= 1/alpha, where
  M_n(p0) = int_{p0}^1 (p/p0)^k ((1-p)/(1-p0))^(n-k) dPi(p), Pi = Beta(a, b) restricted to [p0, 1]. M_n falls
  wherever it exceeds 1, so rejecting b rejects all of [0, b]. Valid at any stopping time.

* Clopper-Pearson at planned looks (union bound over the looks): before the first draw a largest number N of
  draws is fixed, and with it the looks 64, 80, .. (a quarter more each time, in whole numbers), N, without
  those above 10/11 N. The bound at N has half of alpha, those at the other looks share the other half
  equally. All of them together fail with probability at most alpha, so any of them may be stated.

An upper bound on p is one minus a lower bound on 1 - p, with n - k successes, a and b exchanged.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

from flint import arb, ctx

from ironbound.certificate import Estimate, refuse
from ironbound.verify.balls import exact, exceeds

# Tails of at most this many terms are summed; longer ones are incomplete beta functions.
_SHORT = 64
_MOST_TERMS = 4096
MOST_DRAWS = 10**12


def check_estimate(estimate: Estimate, figure: str) -> None:
    """Refuse an estimate whose bound is not what its counts give.

    Raises:
        InvalidCertificate: counts, alpha or prior out of range; a bound on the wrong side, or not exact.
    """
    e = estimate
    if not 1 <= e.trials <= MOST_DRAWS:
        raise refuse(f"{figure}.trials", e.trials, f"between 1 and {MOST_DRAWS} draws")
    if not 0 <= e.successes <= e.trials:
        raise refuse(f"{figure}.successes", e.successes, f"between 0 and the {e.trials} trials")
    if not 0.0 < e.alpha < 1.0:
        raise refuse(f"{figure}.alpha", e.alpha, "a probability strictly between 0 and 1")
    if not 0.0 <= e.bound <= 1.0:
        raise refuse(f"{figure}.bound", e.bound, "a probability")
    if e.rule != "beta_mixture" and e.prior is not None:
        raise refuse(f"{figure}.prior", e.prior, "null for Clopper-Pearson")
    if e.rule == "beta_mixture" and (e.prior is None or not all(0.0 < x <= 1e6 for x in e.prior)):
        raise refuse(f"{figure}.prior", e.prior, "two shapes in (0, 1e6]")
    if e.rule != "clopper_pearson_looks" and e.planned is not None:
        raise refuse(f"{figure}.planned", e.planned, "null but for planned looks")
    level = _look_level(e, figure) if e.rule == "clopper_pearson_looks" else e.alpha
    expected = _verdict(e.side, e.successes, e.trials, level, e.bound, e.prior)
    if expected is not None:
        counts = f"{e.successes} of {e.trials} at alpha {level!r} under {e.rule}"
        raise refuse(f"{figure}.bound", e.bound, f"{expected} {counts}")


def _look_level(e: Estimate, figure: str) -> float:
    """What of alpha the bound at this look may spend: the largest float64 not above its share."""
    if e.planned is None or not e.trials <= e.planned <= MOST_DRAWS:
        raise refuse(f"{figure}.planned", e.planned, f"between the {e.trials} trials and {MOST_DRAWS} draws")
    looks, at = [e.planned], 64
    while at * 11 <= e.planned * 10:
        looks.append(at)
        at = at * 5 // 4
    if e.trials not in looks:
        raise refuse(f"{figure}.trials", e.trials, f"one of the looks that {e.planned} draws have")
    if len(looks) == 1:
        return e.alpha
    share = Fraction(e.alpha) / 2 if e.trials == e.planned else Fraction(e.alpha) / (2 * len(looks) - 2)
    level = float(share)
    return level if Fraction(level) <= share else math.nextafter(level, 0.0)


@lru_cache(maxsize=65_536)
def _verdict(
    side: str, k: int, n: int, alpha: float, bound: float, prior: tuple[float, float] | None
) -> str | None:
    """None if the bound is right, else what it should be. Without a prior: Clopper-Pearson."""
    trivial = 0.0 if side == "lower" else 1.0
    if k == (0 if side == "lower" else n):
        return None if bound == trivial else f"{trivial}, the only bound that can follow from"
    if bound != trivial and _rejected(side, k, n, alpha, bound, prior) is not True:
        return f"a {'smaller' if side == 'lower' else 'larger'} number: this one does not follow from"
    toward = math.nextafter(bound, 1.0 - trivial)
    if 0.0 < toward < 1.0 and _rejected(side, k, n, alpha, toward, prior) is True:
        return f"the {'largest' if side == 'lower' else 'smallest'} float that follows from"
    return None


def _rejected(
    side: str, k: int, n: int, alpha: float, p: float, prior: tuple[float, float] | None
) -> bool | None:
    """Whether the test at level alpha rejects the probability p (and all beyond it); None if undecided."""
    if p in (0.0, 1.0):
        return False
    k = k if side == "lower" else n - k

    def probability() -> arb:
        value = arb(exact(p))
        return value if side == "lower" else 1 - value

    if prior is None:
        above = exceeds(lambda: upper_tail(k, n, probability()), lambda: arb(exact(alpha)))
        return None if above is None else not above
    a, b = prior if side == "lower" else prior[::-1]
    below = exceeds(lambda: -arb(exact(alpha)).log(), lambda: log_mixture(k, n, probability(), a, b))
    return None if below is None else not below


def upper_tail(k: int, n: int, p: arb) -> arb:
    """P(Bin(n, p) >= k) for 1 <= k <= n, at the current precision.

    Example:
        >>> float(upper_tail(1, 2, arb(0.5)))
        0.75
    """
    if n - k < _SHORT:
        return _terms(k, n, n, p)
    if k <= _SHORT:
        return 1 - _terms(0, k - 1, n, p)
    summed = _falling(k, n, p)
    return p.beta_lower(k, n - k + 1, regularized=True) if summed is None else summed


def _falling(k: int, n: int, p: arb) -> arb | None:
    """The tail where its terms fall from the first one on, to half of the current precision; else None.

    The ratio of each term to the one before falls too, so what is left out is less than a geometric series.
    """
    odds = p / (1 - p)
    term = arb.bin_uiui(n, k) * p**k * (1 - p) ** (n - k)
    total, small = term, arb(2) ** (-ctx.prec // 2)
    for j in range(k, min(n, k + _MOST_TERMS)):
        ratio = odds * (n - j) / (j + 1)
        if not ratio < 1:
            return None
        term = term * ratio
        total += term
        if (j - k) % 32 == 31:
            # Later ratios are smaller still: the rest is between 0 and term * ratio / (1 - ratio).
            rest = term * ratio / (1 - ratio)
            if rest < small * total:
                return total + arb(0).union(rest)
    return None


def _terms(first: int, last: int, n: int, p: arb) -> arb:
    """Sum of C(n, j) p^j (1-p)^(n-j) over first <= j <= last, each term from the one before."""
    q = 1 - p
    smaller = min(first, n - first)
    term = arb.bin_uiui(n, smaller) * p**first * q ** (n - first)
    total = term
    for j in range(first, last):
        term = term * p * (n - j) / (q * (j + 1))
        total += term
    return total


def log_mixture(k: int, n: int, p: arb, a: float, b: float) -> arb:
    """log M_n(p) of the lower test with prior Beta(a, b), at the current precision.

    Example:
        >>> round(float(log_mixture(1, 1, arb(0.5), 1.0, 1.0).exp()), 12)  # int_{1/2}^1 2p dp / (1/2)
        1.5
    """
    q = 1 - p
    left, right = arb(a), arb(b)
    posterior = _log_integral(left + k, right + (n - k), q)
    return posterior - _log_integral(left, right, q) - k * p.log() - (n - k) * q.log()


def _log_integral(a: arb, b: arb, q: arb) -> arb:
    """log of the integral of x^(a-1) (1-x)^(b-1) over [1 - q, 1]."""
    share = q.beta_lower(b, a, regularized=True)
    return share.log() + a.lgamma() + b.lgamma() - (a + b).lgamma()
