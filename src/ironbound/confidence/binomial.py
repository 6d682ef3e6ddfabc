"""Clopper-Pearson ends for a number of draws that was fixed in advance, one side at a time.

Clopper and Pearson, Biometrika 26 (1934). The lower end for k successes of n at level alpha is the p at
which P(Bin(n, p) >= k) = alpha; the upper end is the p at which P(Bin(n, p) <= k) = alpha. Each holds on
its own with probability at least 1 - alpha; together they hold with probability 1 - 2 alpha.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import overload

import numpy as np
from flint import arb, ctx
from numpy.typing import NDArray
from scipy.special import betaincinv  # pyright: ignore[reportMissingTypeStubs]

from ironbound.confidence._canonical import decided, largest_safe, smallest_safe
from ironbound.confidence._checks import (
    LARGEST_COUNT,
    check_alpha,
    check_count,
    check_pair,
    check_probability,
)
from ironbound.confidence._pairs import each_pair
from ironbound.errors import InputError

IntArray = NDArray[np.int64]
Array = NDArray[np.float64]

# Ties between a tail and alpha are settled in whole numbers up to this many bits; beyond it "not decided"
# counts as unsafe. Genuine ties have small denominators (alpha = 1/2, or a power), so the limit is never met.
_EXACT_BITS = 2**24


@overload
def clopper_pearson_lower(k: int, n: int, alpha: float) -> float: ...
@overload
def clopper_pearson_lower(k: IntArray | list[int], n: IntArray | list[int] | int, alpha: float) -> Array: ...
@overload
def clopper_pearson_lower(k: int, n: IntArray | list[int], alpha: float) -> Array: ...
def clopper_pearson_lower(
    k: int | IntArray | list[int], n: int | IntArray | list[int], alpha: float
) -> float | Array:
    """Lower confidence bound on a success probability, from k successes in n draws.

    The largest float64 that does not exceed the exact end, decided by ball arithmetic; 0.0 for k = 0.
    Equal pairs of an array are computed once, and results are remembered.

    Args:
        k: successes, a whole number or an array of whole numbers.
        n: draws, >= 1, fixed before the first was looked at. Broadcast against `k`.
        alpha: one-sided error probability, in (0, 1).
    Returns:
        A float for scalar counts, otherwise float64 of the broadcast shape.
    Raises:
        InputError: a count is negative, k exceeds n, or alpha lies outside (0, 1).
        InputTypeError: a count is not a whole number.

    Example:
        >>> clopper_pearson_lower(10_000, 10_000, alpha=0.01)
        0.9995395890030878
        >>> clopper_pearson_lower([0, 50, 100], 100, alpha=0.01).round(3).tolist()
        [0.0, 0.381, 0.955]
    """
    successes, trials = check_pair(k, n)
    level = check_alpha(alpha)
    return each_pair(lambda i, j: _lower(i, j, level), successes, trials)


@overload
def clopper_pearson_upper(k: int, n: int, alpha: float) -> float: ...
@overload
def clopper_pearson_upper(k: IntArray | list[int], n: IntArray | list[int] | int, alpha: float) -> Array: ...
@overload
def clopper_pearson_upper(k: int, n: IntArray | list[int], alpha: float) -> Array: ...
def clopper_pearson_upper(
    k: int | IntArray | list[int], n: int | IntArray | list[int], alpha: float
) -> float | Array:
    """Upper confidence bound on a success probability: the smallest float64 not below the exact end.

    Arguments, results and errors as for `clopper_pearson_lower`; 1.0 for k = n.

    Example:
        >>> clopper_pearson_upper(0, 100_000, alpha=0.01)  # the filter threshold of HRS, 4.6e-5
        4.605064149653606e-05
    """
    successes, trials = check_pair(k, n)
    level = check_alpha(alpha)
    return each_pair(lambda i, j: _upper(i, j, level), successes, trials)


def largest_lower(n: int, alpha: float) -> float:
    """The best lower bound that n draws can give: all of them succeed.

    Example:
        >>> largest_lower(100, alpha=0.01)
        0.9549925860214359
    """
    return _lower(check_count("n", n), check_count("n", n), check_alpha(alpha))


def smallest_sample(p_needed: float, alpha: float) -> int:
    """Smallest n at which n successes of n give a lower bound above `p_needed`.

    Args:
        p_needed: the bound to exceed strictly, in [0, 1).
        alpha: one-sided error probability, in (0, 1).
    Returns:
        n >= 1.
    Raises:
        InputError: p_needed is 1, or so close to 1 that no sample of fewer than 2**31 draws proves it.

    Example:
        >>> smallest_sample(0.99, alpha=0.001)
        688
        >>> largest_lower(688, alpha=0.001) > 0.99 >= largest_lower(687, alpha=0.001)
        True
    """
    needed, level = check_probability("p_needed", p_needed), check_alpha(alpha)
    most = _lower(LARGEST_COUNT, LARGEST_COUNT, level)
    if not needed < most:
        raise InputError(
            f"p_needed must be below {most!r}, the most that {LARGEST_COUNT} draws prove "
            f"at alpha = {alpha!r}; got {p_needed!r}"
        )
    target = math.nextafter(needed, 1.0)  # the bound is a float64, so it must reach the next one
    estimate = math.log(level) / math.log(target) if target > 1e-300 else 1.0

    def enough(n: int) -> bool:
        return _lower(n, n, level) > needed

    low, high = max(0, round(estimate) - 1), max(1, round(estimate) + 1)
    if low > 0 and enough(low):
        low = 0
    while not enough(high):
        low, high = high, 2 * high
    while high - low > 1:  # n = low is too few, n = high is enough
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


@lru_cache(maxsize=65_536)
def _lower(k: int, n: int, alpha: float) -> float:
    if k == 0:
        return 0.0
    guess = math.exp(math.log(alpha) / n) if k == n else float(betaincinv(k, n - k + 1, alpha))
    return largest_safe(lambda x: _tail_at_most(k, n, x, mirrored=False, alpha=alpha), guess)


@lru_cache(maxsize=65_536)
def _upper(k: int, n: int, alpha: float) -> float:
    if k == n:
        return 1.0
    # The complement of betaincinv's argument is not formed: 1 - alpha would round alpha away.
    guess = -math.expm1(math.log(alpha) / n) if k == 0 else 1.0 - float(betaincinv(n - k, k + 1, alpha))
    return smallest_safe(lambda x: _tail_at_most(n - k, n, x, mirrored=True, alpha=alpha), guess)


def _tail_at_most(k: int, n: int, x: float, *, mirrored: bool, alpha: float) -> bool:
    """Whether P(Bin(n, p) >= k) <= alpha, for p = x, or for p = 1 - x if mirrored. 1 <= k <= n."""

    def difference() -> arb:
        p, q = arb(x), 1 - arb(x)
        return upper_tail(k, n, q, p) - alpha if mirrored else upper_tail(k, n, p, q) - alpha

    if x in (0.0, 1.0):  # a sure event: the tail is 0 or 1
        return (x == 1.0) if mirrored else (x == 0.0)
    answer = decided(difference)
    if answer is None:
        answer = _exactly_at_most(k, n, 1 - Fraction(x) if mirrored else Fraction(x), Fraction(alpha))
    return answer


def upper_tail(k: int, n: int, p: arb, q: arb) -> arb:
    """Ball around P(Bin(n, p) >= k), for 0 < p < 1, q = 1 - p, 1 <= k <= n, at the current precision.

    P(X = k) (1 + r_0 + r_0 r_1 + ...), with r_i = (n-k-i)/(k+1+i) p/q. Ratios fall, so once one is below 1
    the rest is at most a geometric series. About ten standard deviations of terms; none is negative.
    """
    odds = p / q
    above, below = n - k, k + 1
    term = total = arb(1)
    small = arb(2) ** (-int(ctx.prec))
    i = 0
    while above > 0:
        term = term * (odds * above) / below
        total += term
        above, below, i = above - 1, below + 1, i + 1
        if i % 16 == 0 and above > 0:
            ratio = odds * above / below
            if ratio < 1 and term < total * small:
                rest = term * ratio / (1 - ratio)
                total = total.union(total + rest)
                break
    size = arb(n + 1).lgamma() - arb(k + 1).lgamma() - arb(n - k + 1).lgamma()
    return (size + k * p.log() + (n - k) * q.log()).exp() * total


def _exactly_at_most(k: int, n: int, p: Fraction, alpha: Fraction) -> bool:
    """The same question in whole numbers, for ties. False (unsafe) if the numbers would be too long."""
    top, bottom = p.numerator, p.denominator
    if n * bottom.bit_length() > _EXACT_BITS:
        return False
    other = bottom - top
    term, total = top**n, 0  # n successes of n, then one failure more at a time
    for failures in range(n - k + 1):
        total += term
        term = term * (n - failures) * other // ((failures + 1) * top)
    return total * alpha.denominator <= alpha.numerator * bottom**n
