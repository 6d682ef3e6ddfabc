"""Beta-mixture bounds: a true martingale, one interval, the nearest float64 on the safe side."""

from __future__ import annotations

import math
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from ironbound.confidence import beta_mixture_lower, beta_mixture_upper, clopper_pearson_lower
from ironbound.confidence._mixture_solve import fast_lower
from ironbound.confidence.mixture import DEFAULT_PRIOR, mixture
from ironbound.errors import InputError, InputTypeError

Real = Any  # an mpmath number; mpmath carries no types
PRIORS = [(0.5, 0.5), (1.0, 1.0), (0.25, 3.0), (6.0, 0.05), (40.0, 7.0)]
LEVELS = [0.3, 0.01, 0.001, 1e-6, 1e-12]
SHAPES = st.floats(-2, 2).map(lambda e: 10.0**e)


def exact_mixture(k: int, n: int, p: Real, a: float, b: float) -> Real:
    """M_n(p) from its definition, by mpmath's incomplete beta function over [0, 1 - p]."""
    q = 1 - p
    posterior = mp.betainc(mp.mpf(b) + n - k, mp.mpf(a) + k, 0, q)
    prior = mp.betainc(mp.mpf(b), mp.mpf(a), 0, q)
    return posterior / prior / (p**k * q ** (n - k))


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("alpha", LEVELS)
@pytest.mark.parametrize(("k", "n"), [(1, 1), (1, 30), (5, 9), (20, 64), (60, 64), (200, 200)])
def test_bounds_are_the_nearest_floats_on_the_safe_side(
    k: int, n: int, alpha: float, prior: tuple[float, float]
) -> None:
    a, b = prior
    with mp.workdps(60):
        lower = beta_mixture_lower(k, n, alpha, prior)
        above = mp.mpf(math.nextafter(lower, 1.0))
        assert lower == 0.0 or alpha * exact_mixture(k, n, mp.mpf(lower), a, b) >= 1
        assert alpha * exact_mixture(k, n, above, a, b) < 1
        # The upper bound for n - k successes is the mirror image, with the shapes exchanged.
        upper = beta_mixture_upper(n - k, n, alpha, (b, a))
        below = mp.mpf(math.nextafter(upper, 0.0))
        assert upper == 1.0 or alpha * exact_mixture(k, n, 1 - mp.mpf(upper), a, b) >= 1
        assert alpha * exact_mixture(k, n, 1 - below, a, b) < 1


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0.001, 0.999), SHAPES, SHAPES)
@settings(max_examples=150, deadline=None)
def test_it_is_a_martingale_that_starts_at_one(hits: int, misses: int, p: float, a: float, b: float) -> None:
    """E[M_{n+1} | k, n] = M_n under p, checked in balls; with M_0 = 1 that is all Ville's bound needs."""
    n = hits + misses
    with ctx.workprec(2048):  # far above the posterior the integral is a small difference of large ones
        x, y = arb(p), 1 - arb(p)
        now = mixture(hits, n, x, y, a, b)
        after = x * mixture(hits + 1, n + 1, x, y, a, b) + y * mixture(hits, n + 1, x, y, a, b)
        assert after.overlaps(now)
        assert abs(after - now) < abs(now) * 1e-30
        start = mixture(0, 0, x, y, a, b)
        assert abs(start - 1) < 1e-30


@given(st.integers(1, 300), st.floats(0, 1), SHAPES, SHAPES, st.floats(1e-4, 0.999), st.floats(1e-6, 0.5))
@settings(max_examples=200, deadline=None)
def test_it_falls_wherever_it_exceeds_one(
    n: int, share: float, a: float, b: float, p: float, step: float
) -> None:
    """So the rejected p0 form one interval that begins at 0, and its end is the bound."""
    k = max(1, round(share * n))
    further = p + (1 - p) * step * 0.999
    with ctx.workprec(2048):  # as above: the integral is a small difference of large ones
        here = mixture(k, n, arb(p), 1 - arb(p), a, b)
        there = mixture(k, n, arb(further), 1 - arb(further), a, b)
        if here > 1:
            assert there < here
        else:
            assert there <= 1


@pytest.mark.parametrize(("k", "n"), [(9_999_990, 10**7), (9 * 10**6, 10**7), (10**7, 10**7), (3, 10**7)])
@pytest.mark.parametrize("alpha", [0.01, 1e-12])
def test_ten_million_draws(k: int, n: int, alpha: float) -> None:
    """Against another formula: complete beta functions and the library's own incomplete beta function."""

    def excess(x: float) -> arb:
        p, q = arb(x), 1 - arb(x)
        left, right = arb(k) + 0.5, arb(n - k) + 0.5
        log_beta = left.lgamma() + right.lgamma() - (left + right).lgamma()
        rest = 1 - p.beta_lower(left, right, True)
        prior = (1 - p.beta_lower(arb(0.5), arb(0.5), True)) * arb.pi()
        return alpha * (log_beta - k * p.log() - (n - k) * q.log()).exp() * rest / prior - 1

    bound = beta_mixture_lower(k, n, alpha)
    with ctx.workprec(400):
        assert excess(bound) >= 0
        assert excess(math.nextafter(bound, 1.0)) < 0


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("n", [1, 2, 64, 1000, 100_000, 10**7])
def test_the_fast_bound_is_safe_and_close(n: int, prior: tuple[float, float]) -> None:
    k = np.unique(np.clip([0, 1, 2, n // 100, n // 10, n // 2, n * 9 // 10, n - 2, n - 1, n], 0, n))
    for alpha in (0.3, 0.001, 1e-12):
        fast, best = fast_lower(k, np.full_like(k, n), alpha, prior), beta_mixture_lower(k, n, alpha, prior)
        assert np.all(fast <= best)
        assert np.all(fast >= best * (1 - 2e-5))
        if n <= 1000:
            assert np.all(fast >= best * (1 - 1e-8))


@given(st.integers(1, 3000), st.floats(0, 1), st.sampled_from(LEVELS), st.sampled_from(PRIORS))
@settings(max_examples=60, deadline=None)
def test_order_relations(n: int, share: float, alpha: float, prior: tuple[float, float]) -> None:
    k = min(n - 1, int(share * n))
    bound = beta_mixture_lower(k, n, alpha, prior)
    assert bound <= clopper_pearson_lower(k, n, alpha)
    assert bound <= beta_mixture_lower(k + 1, n, alpha, prior)
    assert bound >= beta_mixture_lower(k, n + 1, alpha, prior)
    assert bound <= beta_mixture_lower(k, n, 2 * alpha, prior)
    assert k / n <= beta_mixture_upper(k, n, alpha, prior) <= beta_mixture_upper(k + 1, n, alpha, prior)


def test_nothing_is_claimed_without_successes() -> None:
    assert beta_mixture_lower(0, 1000, 0.01) == 0.0
    assert beta_mixture_upper(1000, 1000, 0.01) == 1.0


def test_the_default_prior_costs_what_the_table_says() -> None:
    """Draws needed against a fixed sample: the figures beside DEFAULT_PRIOR, from whole counts."""
    alpha = 0.001
    for n, most in ((64, 1.18), (1000, 1.18), (10_000, 1.18)):
        target = clopper_pearson_lower(n, n, alpha)
        enough = math.ceil(n * most)
        assert beta_mixture_lower(enough, enough, alpha) > target
    target = clopper_pearson_lower(990, 1000, alpha)
    assert beta_mixture_lower(1683, 1700, alpha) > target > beta_mixture_lower(1485, 1500, alpha)


def test_arrays_give_the_scalar_values() -> None:
    k = np.arange(0, 65).reshape(5, 13)
    found = beta_mixture_lower(k, 64, 0.001)
    assert found.shape == (5, 13)
    assert found.ravel().tolist() == [beta_mixture_lower(i, 64, 0.001) for i in range(65)]
    assert beta_mixture_upper([0, 64], [64, 64], 0.001)[1] == 1.0


@pytest.mark.parametrize(
    ("prior", "error"),
    [
        ((0.0, 1.0), InputError),
        ((1.0, -1.0), InputError),
        ((math.nan, 1.0), InputError),
        ((1.0,), InputTypeError),
        (None, InputTypeError),
        (("a", "b"), InputTypeError),
    ],
)
def test_bad_priors_are_refused(prior: object, error: type[Exception]) -> None:
    for bound in (beta_mixture_lower, beta_mixture_upper):
        with pytest.raises(error, match="prior must be a pair"):
            bound(3, 4, 0.01, prior)  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_a_remembered_end_is_the_end_of_counts_among_others() -> None:
    k = np.arange(0, 401, 5)
    n = np.full_like(k, 400)
    many = fast_lower(k, n, 0.001, DEFAULT_PRIOR)
    for _ in range(2):  # the second time from memory
        few = np.concatenate(
            [fast_lower(k[i : i + 9], n[i : i + 9], 0.001, DEFAULT_PRIOR) for i in range(0, 81, 9)]
        )
        np.testing.assert_allclose(few, many, rtol=1e-13)
    other = fast_lower(k[-3:], n[-3:], 0.01, DEFAULT_PRIOR)
    assert (other[:2] > many[-3:-1]).all()  # alpha is part of what is remembered
