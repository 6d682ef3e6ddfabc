"""Radii: closed forms, the safe side, `None` for "not certified", and agreement of all entry points."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import exact_lower, exact_upper, joint

from ironbound import laws
from ironbound.errors import InputError

EXAMPLES = settings(max_examples=40, deadline=None)


def quantile(p: float) -> Any:
    return mp.sqrt(2) * mp.erfinv(2 * mp.mpf(p) - 1)


@EXAMPLES
@given(st.floats(1e-4, 1 - 1e-9), st.sampled_from([4.6e-5, 0.1, 0.5, 0.9]), st.floats(0.01, 10))
def test_binary_closed_form(p: float, tau: float, sigma: float) -> None:
    with mp.workdps(40):
        truth = mp.mpf(sigma) * (quantile(p) - quantile(tau))
        radius = laws.radius(laws.identity(), p, sigma, threshold=tau)
        if radius is None:
            assert truth <= 1e-9
        else:
            assert mp.mpf(radius) <= truth
            assert mp.mpf(radius) >= truth - mp.mpf("1e-9") * max(truth, mp.mpf("1e-3"))


@EXAMPLES
@given(st.floats(0.3, 1 - 1e-9), st.floats(1e-9, 0.3), st.floats(0.01, 10))
def test_multiclass_closed_form(p: float, rival: float, sigma: float) -> None:
    with mp.workdps(40):
        truth = mp.mpf(sigma) / 2 * (quantile(p) - quantile(rival))
        radius = laws.radius(laws.identity(), p, sigma, rival=rival)
        if radius is None:
            assert truth <= 1e-9
        else:
            assert mp.mpf(radius) <= truth
            assert mp.mpf(radius) >= truth - mp.mpf("1e-9") * max(truth, mp.mpf("1e-3"))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 4),
    st.sampled_from([3, 240]),
    st.sampled_from([0.25, 0.6, 0.9]),
    st.sampled_from([0.9, 0.99, 0.9999]),
    st.sampled_from([None, 0.001, 0.05]),
)
def test_the_claim_holds_at_the_radius_and_fails_beyond(
    d: int, alphabet: int, beta: float, p: float, rival: float | None
) -> None:
    b = Fraction(beta)
    other = b / (alphabet - 1)
    pairs = joint([[(1 - b, other), (other, 1 - b), (other * (alphabet - 2), other * (alphabet - 2))]] * d)
    law = laws.uniform_replacement(d, alphabet, beta)
    tau = 0.5 if rival is None else None

    def holds(mu: Any) -> bool:
        against = mp.mpf(0.5) if rival is None else exact_upper(pairs, mu, mp.mpf(rival))
        return bool(exact_lower(pairs, mu, mp.mpf(p)) > against)

    with mp.workdps(40):
        radius = laws.radius(law, p, 1.0, threshold=tau, rival=rival)
        if radius is None:
            assert not holds(mp.mpf(0))
        else:
            assert holds(mp.mpf(radius))
            assert not holds(mp.mpf(radius) * (1 + mp.mpf("1e-9")) + mp.mpf("1e-9"))


def test_not_certified_is_none_even_where_a_positive_number_would_come_out() -> None:
    # lower(0.9) is 0 here: more mass lies where only P is than p can pay for.
    assert laws.radius(laws.mask(3, 0.3), 0.9, 1.0, threshold=0.01) is None
    assert laws.certified(laws.mask(3, 0.3), 0.9, threshold=0.01) is None
    assert laws.shift(laws.mask(3, 0.3), 0.9, threshold=0.01) is None
    assert math.isnan(laws.radii(laws.mask(3, 0.3), np.array([0.9]), 1.0, threshold=0.01)[0])
    # Exactly at the threshold nothing is certified: the claim is "stays above".
    assert laws.radius(laws.identity(), 0.5, 1.0, threshold=0.5) is None


def test_infinite_only_for_certainty() -> None:
    assert laws.radius(laws.identity(), 1.0, 0.5, threshold=0.5) == math.inf
    assert laws.radius(laws.mask(1, 0.6), 1.0, 0.5, threshold=0.5) == math.inf
    assert laws.radius(laws.mask(2, 0.6), 1.0, 0.5, threshold=0.5) is None
    near = laws.radius(laws.identity(), 1 - 1e-12, 0.5, threshold=0.5)
    assert near is not None
    assert math.isfinite(near)


def test_all_entry_points_agree() -> None:
    law = laws.uniform_replacement(2, 240, 0.6)
    p = np.array([0.5, 0.9, 0.99, 0.999, 0.99999])
    for keywords in ({"threshold": 0.5}, {"rival": 0.004}):
        many = laws.radii(law, p, 0.3, **keywords)
        for value, level in zip(many, p.tolist(), strict=True):
            one = laws.radius(law, level, 0.3, **keywords)
            found = laws.shift(law, level, **keywords)
            if one is None:
                assert math.isnan(value)
                assert found is None
            else:
                assert value == pytest.approx(one, rel=1e-10)
                assert found is not None
                assert found.mu * 0.3 == pytest.approx(one, rel=1e-10)
                assert Fraction(one) <= Fraction(found.mu) * Fraction(0.3)  # the product rounds down as well
                joined = laws.compose(law, laws.gaussian(found.mu))
                threshold = keywords.get("threshold")
                if threshold is None:
                    threshold = joined.upper_dual(found.rival_witnesses[0], keywords["rival"])
                assert joined.dual(found.witnesses[0], level) > threshold


def test_frontier_never_rises_with_the_budget() -> None:
    table = laws.frontier(
        {d: laws.replacement_laws(d, 240, 0.6, length=16) for d in range(6)}, 0.9999, 0.15, threshold=0.5
    )
    values = [-1.0 if r is None else r for r in table.values()]
    assert values == sorted(values, reverse=True)
    assert table[0] == pytest.approx(0.15 * 3.719016485, rel=1e-6)
    assert table[5] is None


@EXAMPLES
@given(st.integers(0, 4), st.floats(0.05, 3), st.sampled_from([0.01, 0.5]))
def test_required_is_the_inverse_of_lower(d: int, mu: float, tau: float) -> None:
    law = laws.uniform_replacement(d, 240, 0.8)
    needed = laws.required(law, mu, tau)
    joined = laws.compose(law, laws.gaussian(mu))
    if needed <= 1.0:
        assert joined.lower(needed) > tau
        assert not joined.lower(needed * (1 - 1e-9) - 1e-12) > tau or needed < 1e-6


def test_required_says_when_nothing_suffices() -> None:
    assert laws.required(laws.mask(3, 0.5), 0.1, 0.5) == math.inf


@pytest.mark.parametrize(
    ("keywords", "named"),
    [
        ({}, "exactly one of the two"),
        ({"threshold": 0.5, "rival": 0.1}, "exactly one of the two"),
        ({"threshold": 1.0}, "threshold must be"),
        ({"threshold": math.nan}, "threshold must be"),
        ({"rival": -0.1}, "rival must be"),
    ],
)
def test_bad_arguments_are_named(keywords: dict[str, float], named: str) -> None:
    with pytest.raises(InputError, match=named):
        laws.radius(laws.identity(), 0.9, 1.0, **keywords)


def test_bad_sigma_and_law_are_named() -> None:
    with pytest.raises(InputError, match="sigma must be a finite standard deviation > 0; got 0"):
        laws.radius(laws.identity(), 0.9, 0.0, threshold=0.5)
    with pytest.raises(InputError, match="without a Gaussian part"):
        laws.radius(laws.gaussian(1.0), 0.9, 1.0, threshold=0.5)
