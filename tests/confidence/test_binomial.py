"""Clopper-Pearson ends: nearest float64 on the safe side of the exact end, monotone, with exact coverage."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betaincinv

from ironbound.confidence import (
    binomial,
    clopper_pearson_lower,
    clopper_pearson_upper,
    largest_lower,
    smallest_sample,
)
from ironbound.confidence._canonical import largest_safe, smallest_safe
from ironbound.errors import InputError, InputTypeError

Real = Any  # an mpmath number; mpmath carries no types
LEVELS = [0.4, 0.05, 0.01, 0.001, 1e-6, 1e-12]


def upper_tail(k: int, n: int, p: Real) -> Real:
    """P(Bin(n, p) >= k), summed from the shorter end in 80 digits: an oracle that shares nothing."""
    q = 1 - p
    if n - k <= k:
        term, total = p**n, mp.mpf(0)
        for failures in range(n - k + 1):
            total += term
            term = term * (n - failures) / (failures + 1) * q / p
        return total
    term, total = q**n, mp.mpf(0)
    for successes in range(k):
        total += term
        term = term * (n - successes) / (successes + 1) * p / q
    return 1 - total


def assert_canonical_lower(k: int, n: int, alpha: float, bound: float) -> None:
    with mp.workdps(80):
        assert upper_tail(k, n, mp.mpf(bound)) <= alpha
        assert upper_tail(k, n, mp.mpf(math.nextafter(bound, 1.0))) > alpha


def assert_canonical_upper(k: int, n: int, alpha: float, bound: float) -> None:
    with mp.workdps(80):
        assert upper_tail(n - k, n, 1 - mp.mpf(bound)) <= alpha
        assert upper_tail(n - k, n, 1 - mp.mpf(math.nextafter(bound, 0.0))) > alpha


@pytest.mark.parametrize("alpha", LEVELS)
@pytest.mark.parametrize(("k", "n"), [(1, 1), (1, 2), (7, 9), (3, 64), (60, 64), (99, 100), (500, 1000)])
def test_lower_is_the_nearest_float_below_the_exact_end(k: int, n: int, alpha: float) -> None:
    assert_canonical_lower(k, n, alpha, clopper_pearson_lower(k, n, alpha))


@pytest.mark.parametrize("alpha", LEVELS)
@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 2), (7, 9), (3, 64), (60, 64), (99, 100), (500, 1000)])
def test_upper_is_the_nearest_float_above_the_exact_end(k: int, n: int, alpha: float) -> None:
    assert_canonical_upper(k, n, alpha, clopper_pearson_upper(k, n, alpha))


@pytest.mark.parametrize(
    ("k", "n"), [(9_990, 10_000), (10_000, 10_000), (5, 10_000), (99_950, 100_000), (9_999_998, 10_000_000)]
)
def test_large_samples(k: int, n: int) -> None:
    for alpha in (0.01, 1e-12):
        assert_canonical_lower(k, n, alpha, clopper_pearson_lower(k, n, alpha))
        assert_canonical_upper(n - k, n, alpha, clopper_pearson_upper(n - k, n, alpha))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_ends_bracket_the_exact_end_everywhere(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 400))
    k = data.draw(st.integers(0, n))
    alpha = data.draw(st.one_of(st.floats(1e-12, 0.999), st.floats(-12, -1).map(lambda e: 10.0**e)))
    if k > 0:
        assert_canonical_lower(k, n, alpha, clopper_pearson_lower(k, n, alpha))
    if k < n:
        assert_canonical_upper(k, n, alpha, clopper_pearson_upper(k, n, alpha))


def test_values_that_scipy_puts_on_the_wrong_side_are_corrected() -> None:
    alpha, wrong = 0.01, 0
    for n in (50, 64, 100, 128):
        for k in range(1, n, 7):
            naive = float(betaincinv(k, n - k + 1, alpha))
            with mp.workdps(80):
                unsafe = upper_tail(k, n, mp.mpf(naive)) > alpha
            ours = clopper_pearson_lower(k, n, alpha)
            assert ours < naive if unsafe else ours >= naive
            wrong += unsafe
    assert wrong > 5, "the cases must contain some that are wrong, or the test shows nothing"


def test_no_successes_and_no_failures() -> None:
    assert clopper_pearson_lower(0, 17, 0.01) == 0.0
    assert clopper_pearson_upper(17, 17, 0.01) == 1.0


def test_ties_are_settled_exactly() -> None:
    assert clopper_pearson_lower(1, 1, 0.01) == 0.01
    assert clopper_pearson_lower(2, 2, 0.25) == 0.5
    assert clopper_pearson_upper(0, 2, 0.25) == 0.5
    for n in (3, 101, 2001):  # symmetric: P(Bin(n, 1/2) > n/2) = 1/2
        assert clopper_pearson_lower((n + 1) // 2, n, 0.5) == 0.5
        assert clopper_pearson_upper((n - 1) // 2, n, 0.5) == 0.5


@given(st.integers(1, 2000), st.floats(0, 1), st.sampled_from(LEVELS))
@settings(max_examples=80, deadline=None)
def test_order_relations(n: int, share: float, alpha: float) -> None:
    k = min(n - 1, int(share * n))
    low, high = clopper_pearson_lower(k, n, alpha), clopper_pearson_upper(k, n, alpha)
    assert low <= k / n <= high
    assert low < clopper_pearson_lower(k + 1, n, alpha)
    assert high < clopper_pearson_upper(k + 1, n, alpha)
    assert clopper_pearson_lower(k, n + 1, alpha) <= low
    assert clopper_pearson_upper(k, n + 1, alpha) < high
    assert low <= clopper_pearson_lower(k, n, min(0.45, 2 * alpha))
    assert high >= clopper_pearson_upper(k, n, min(0.45, 2 * alpha))


def exact_failure_rate(bounds: list[float], n: int, p: Fraction) -> Fraction:
    """P(bound(K) > p) for K ~ Bin(n, p), in exact arithmetic."""
    return sum(
        (math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1) if Fraction(bounds[k]) > p),
        Fraction(0),
    )


def worst_failure_rate(bounds: list[float], n: int) -> Fraction:
    """The largest failure rate over all p: it is approached from below at the bounds themselves."""
    just_below = [Fraction(math.nextafter(b, 0.0)) for b in bounds if b > 0.0]
    return max(exact_failure_rate(bounds, n, p) for p in just_below)


@pytest.mark.parametrize("n", [1, 5, 20, 40])
@pytest.mark.parametrize("alpha", [0.1, 0.01])
def test_coverage_by_enumeration_and_broken_variants(n: int, alpha: float) -> None:
    lower = clopper_pearson_lower(list(range(n + 1)), n, alpha).tolist()
    assert worst_failure_rate(lower, n) <= Fraction(alpha)
    assert worst_failure_rate(lower, n) > Fraction(alpha) * Fraction(999, 1000)  # nothing is given away
    # One float too far, another's alpha, one success too many: each must break the same check.
    assert worst_failure_rate([math.nextafter(b, 1.0) for b in lower], n) > 0
    too_far = [min(1.0, b * (1 + 1e-9)) for b in lower]
    assert worst_failure_rate(too_far, n) > Fraction(alpha)
    doubled = clopper_pearson_lower(list(range(n + 1)), n, 2 * alpha).tolist()
    assert worst_failure_rate(doubled, n) > Fraction(alpha)
    shifted = [*lower[1:], lower[-1]]
    assert worst_failure_rate(shifted, n) > Fraction(alpha)


def test_arrays_give_the_scalar_values_and_work_once_per_distinct_pair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(7)
    k = rng.integers(0, 51, size=(100, 100))
    calls: list[tuple[int, int]] = []
    scalar = binomial._lower

    def counted(i: int, j: int, alpha: float) -> float:
        calls.append((i, j))
        return scalar(i, j, alpha)

    monkeypatch.setattr(binomial, "_lower", counted)
    found = clopper_pearson_lower(k, 50, 0.01)
    assert found.shape == k.shape
    assert found.dtype == np.float64
    assert len(calls) == len(set(calls)) == 51
    for i in range(51):
        assert np.all(found[k == i] == scalar(i, 50, 0.01))


def test_shapes_broadcast_and_may_be_empty() -> None:
    assert clopper_pearson_lower(3, np.array([5, 10]), 0.1).shape == (2,)
    assert clopper_pearson_upper(np.array([[1], [2]]), np.array([5, 10, 20]), 0.1).shape == (2, 3)
    assert clopper_pearson_lower(np.zeros((0, 3), dtype=np.int64), 5, 0.1).shape == (0, 3)
    assert isinstance(clopper_pearson_lower(np.int64(3), 5, 0.1), float)  # pyright: ignore[reportArgumentType, reportCallIssue]


@pytest.mark.parametrize("guess", [0.0, 1.0, math.nan, math.inf, -1.0, 5e-324, 0.3, 0.7, 1 - 2**-53])
@pytest.mark.parametrize("end", [0.0, 5e-324, 1e-300, 0.3, 0.5, 1 - 2**-53, 1.0])
def test_any_first_guess_leads_to_the_same_float(guess: float, end: float) -> None:
    assert largest_safe(lambda x: x <= end, guess) == end
    assert smallest_safe(lambda x: x >= end, guess) == end


@given(st.floats(0.0, 0.99999), st.sampled_from(LEVELS))
@settings(max_examples=80, deadline=None)
def test_smallest_sample_is_the_first_that_suffices(p: float, alpha: float) -> None:
    n = smallest_sample(p, alpha)
    assert largest_lower(n, alpha) > p
    assert n == 1 or largest_lower(n - 1, alpha) <= p


def test_smallest_sample_at_its_own_bounds() -> None:
    for n in (1, 2, 64, 10_000):
        assert smallest_sample(largest_lower(n, 0.01), 0.01) == n + 1
        assert smallest_sample(math.nextafter(largest_lower(n, 0.01), 0.0), 0.01) == n
    assert smallest_sample(0.0, 0.01) == 1


@pytest.mark.parametrize("p", [1.0, 1 - 2**-53])
def test_no_sample_proves_certainty(p: float) -> None:
    with pytest.raises(InputError, match="p_needed"):
        smallest_sample(p, 0.01)


@pytest.mark.parametrize(
    ("k", "n", "alpha", "error", "words"),
    [
        (5, 4, 0.01, InputError, "k must not exceed n; got k = 5 of n = 4"),
        ([1, 9], [3, 8], 0.01, InputError, "k = 9 of n = 8"),
        (-1, 4, 0.01, InputError, "k must lie between 0"),
        (0, 0, 0.01, InputError, "n must be at least 1"),
        (1.0, 4, 0.01, InputTypeError, "k must be a whole number"),
        (True, 4, 0.01, InputTypeError, "k must be a whole number"),
        (1, "4", 0.01, InputTypeError, "n must be a whole number"),
        ([1, 2], [3, 4, 5], 0.01, InputError, "shapes that broadcast"),
        (1, 4, 0.0, InputError, "alpha must be an error probability"),
        (1, 4, 1.0, InputError, "alpha"),
        (1, 4, math.nan, InputError, "alpha"),
        (1, 4, "0.01", InputTypeError, "alpha must be a number"),
    ],
)
def test_errors_say_what_would_be_right(
    k: object, n: object, alpha: object, error: type[Exception], words: str
) -> None:
    for bound in (clopper_pearson_lower, clopper_pearson_upper):
        with pytest.raises(error, match=words):
            bound(k, n, alpha)  # pyright: ignore[reportArgumentType, reportCallIssue]
