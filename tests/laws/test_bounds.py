"""Bounds bracket the truth; closed forms, order relations and duality hold."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import DIGITS, exact_lower, exact_upper, joint, mask_pairs, replacement_pairs

from ironbound import laws
from ironbound.errors import InputError
from ironbound.laws import Law, _tails

RATES = st.sampled_from([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
PROBABILITIES = st.one_of(
    st.floats(1e-6, 1 - 1e-6),
    st.floats(2, 12).map(lambda k: 1 - 10.0**-k),
    st.floats(2, 12).map(lambda k: 10.0**-k),
)
SHIFTS = st.one_of(st.just(0.0), st.floats(-6, math.log10(50)).map(lambda k: 10.0**k))
EXAMPLES = settings(max_examples=60, deadline=None)


@pytest.fixture(autouse=True)
def _precision() -> Any:
    with mp.workdps(DIGITS):
        yield


@st.composite
def laws_with_outcomes(draw: st.DrawFn) -> tuple[Law, list[tuple[Fraction, Fraction]]]:
    """A law of the package beside the full list of its outcomes, from the oracle."""
    kind = draw(st.sampled_from(["uniform", "mask", "fields", "open", "mixed"]))
    beta = draw(RATES)
    exact = Fraction(beta)
    if kind == "uniform":
        d, alphabet = draw(st.integers(0, 6)), draw(st.sampled_from([2, 3, 10, 240, 200_000]))
        one = _grouped(alphabet, exact)
        return laws.uniform_replacement(d, alphabet, beta), joint([one] * d)
    if kind == "mask":
        d = draw(st.integers(0, 8))
        return laws.mask(d, beta), joint([mask_pairs(exact)] * d)
    if kind == "fields":
        arities = draw(st.lists(st.sampled_from([2, 3, 7, 42]), min_size=1, max_size=4))
        betas = [draw(RATES) for _ in arities]
        return laws.fields(arities, betas), joint(
            [_grouped(a, Fraction(b)) for a, b in zip(arities, betas, strict=True)]
        )
    size = draw(st.integers(2, 6))
    d = draw(st.integers(1, 3))
    (law,) = laws.replacement_laws(d, size, 0.25, length=3, attacker="open")
    opened = joint([replacement_pairs(size, Fraction(1, 4), 0, size)] * d)
    if kind == "open":
        return law, opened
    return laws.compose(law, laws.mask(1, beta)), joint([opened, mask_pairs(exact)])


def _grouped(alphabet: int, beta: Fraction) -> list[tuple[Fraction, Fraction]]:
    other = beta / (alphabet - 1)
    return [(1 - beta, other), (other, 1 - beta), (other * (alphabet - 2), other * (alphabet - 2))]


def violations(joined: Law, pairs: list[tuple[Fraction, Fraction]], p: float) -> list[str]:
    """What is wrong with the bounds of `joined` at p, judged by the oracle; empty when all is well."""
    mu = mp.mpf(joined.mu)
    low, high = exact_lower(pairs, mu, mp.mpf(p)), exact_upper(pairs, mu, mp.mpf(p))
    found: list[str] = []
    if not mp.mpf(joined.lower(p)) <= low:
        found.append(f"lower({p}) = {joined.lower(p)!r} above {mp.nstr(low, 20)}")
    if not mp.mpf(joined.upper(p)) >= high:
        found.append(f"upper({p}) = {joined.upper(p)!r} below {mp.nstr(high, 20)}")
    # A float of p carries half a unit in the last place; near 1 the bound amplifies it by up to 1/(1 - p).
    slack = mp.mpf("1e-9") + mp.mpf(2) ** -53 / (1 - p) + mp.mpf(2) ** -53 / p
    if not mp.mpf(joined.lower(p)) >= low - slack * max(low, mp.mpf("1e-9")) - mp.mpf(2) ** -53 / (1 - p):
        found.append(f"lower({p}) = {joined.lower(p)!r} loose against {mp.nstr(low, 20)}")
    if not mp.mpf(joined.upper(p)) <= high + slack * max(high, mp.mpf("1e-9")):
        found.append(f"upper({p}) = {joined.upper(p)!r} loose against {mp.nstr(high, 20)}")
    return found


@EXAMPLES
@given(laws_with_outcomes(), SHIFTS, PROBABILITIES)
def test_bounds_bracket_the_exact_value(
    drawn: tuple[Law, list[tuple[Fraction, Fraction]]], mu: float, p: float
) -> None:
    law, pairs = drawn
    assert violations(laws.compose(law, laws.gaussian(mu)), pairs, p) == []


def _mutant(law: Law, atoms: _tails.Atoms, monkeypatch: pytest.MonkeyPatch) -> Law:
    broken = Law(law.log_ratio, law.log_p, law.log_q, law.mu)
    monkeypatch.setitem(broken.__dict__, "atoms", atoms)
    return broken


def test_a_swap_of_p_and_q_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    # Uniform replacement is its own mirror image: only the open alphabet can tell P from Q.
    (law,) = laws.replacement_laws(1, 4, 0.25, length=1, attacker="open")
    joined = laws.compose(law, laws.gaussian(0.5))
    pairs = joint([replacement_pairs(4, Fraction(1, 4), 0, 4)])
    assert violations(joined, pairs, 0.9) == []
    good = joined.atoms
    mirrored = _tails.Atoms.build(
        np.concatenate([[-np.inf], -good.ell[::-1]]),
        np.concatenate([[good.q_above], good.q[::-1]]),
        np.concatenate([[0.0], good.p[::-1]]),
        0.0,
    )
    assert violations(_mutant(joined, mirrored, monkeypatch), pairs, 0.9) != []


@pytest.mark.parametrize("mutant", ["rounding", "masses of Q reversed", "a mass of Q too large by 1e-12"])
def test_a_flipped_rounding_or_a_wrong_mass_is_noticed(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = joint([_grouped(10, Fraction(1, 4))] * 2)
    joined = laws.compose(laws.uniform_replacement(2, 10, 0.25), laws.gaussian(0.5))
    assert violations(joined, pairs, 0.99) == []
    good = joined.atoms
    wrong = {
        "rounding": _tails.Atoms.build(good.ell, good.p, good.q, -2 * _tails.EVALUATION_ERROR),
        "masses of Q reversed": _tails.Atoms.build(good.ell, good.p, good.q[::-1].copy(), 0.0),
        "a mass of Q too large by 1e-12": _tails.Atoms.build(good.ell, good.p, good.q * (1 + 1e-12), 0.0),
    }
    assert violations(_mutant(joined, wrong[mutant], monkeypatch), pairs, 0.99) != []


@EXAMPLES
@given(laws_with_outcomes(), SHIFTS, PROBABILITIES, st.floats(-100, 40))
def test_every_dual_variable_is_a_witness(
    drawn: tuple[Law, list[tuple[Fraction, Fraction]]], mu: float, p: float, u: float
) -> None:
    law, pairs = drawn
    joined = laws.compose(law, laws.gaussian(mu))
    assert mp.mpf(joined.dual(u, p)) <= exact_lower(pairs, mp.mpf(mu), mp.mpf(p))
    assert mp.mpf(joined.upper_dual(u, p)) >= exact_upper(pairs, mp.mpf(mu), mp.mpf(p))
    assert joined.dual(joined.witness(p), p) == joined.lower(p)
    assert joined.upper_dual(joined.upper_witness(p), p) == joined.upper(p)


@EXAMPLES
@given(st.floats(1e-9, 1 - 1e-9), st.floats(1e-6, 50))
def test_gaussian_closed_form(p: float, mu: float) -> None:
    truth = mp.ncdf(_quantile(mp.mpf(p)) - mp.mpf(mu))
    lower = laws.gaussian(mu).lower(p)
    assert mp.mpf(lower) <= truth
    assert mp.mpf(lower) >= truth * (1 - mp.mpf("1e-9") - mp.mpf(2) ** -50 / (1 - p)) - mp.mpf("1e-18")


@EXAMPLES
@given(st.integers(1, 40), RATES, SHIFTS, PROBABILITIES)
def test_mask_closed_form(d: int, beta: float, mu: float, p: float) -> None:
    v = mp.mpf(beta) ** d
    inside = (mp.mpf(p) - 1 + v) / v
    if inside <= 0:
        truth = mp.mpf(0)
    elif mu == 0:
        truth = v * inside
    else:
        truth = v * mp.ncdf(_quantile(min(inside, 1 - mp.mpf("1e-45"))) - mp.mpf(mu))
    lower = laws.compose(laws.mask(d, beta), laws.gaussian(mu)).lower(p)
    assert mp.mpf(lower) <= truth
    # 1 - p and v lose digits to p's own rounding once they nearly cancel.
    relative = mp.mpf("1e-9") + mp.mpf("1e-12") / max(inside, mp.mpf("1e-30")) / v
    relative += mp.mpf(2) ** -50 / (1 - mp.mpf(p))
    assert mp.mpf(lower) >= truth * (1 - relative) - mp.mpf("1e-12")


def _quantile(p: Any) -> Any:
    return mp.sqrt(2) * mp.erfinv(2 * p - 1)


@EXAMPLES
@given(RATES, RATES, SHIFTS, SHIFTS, PROBABILITIES)
def test_composition_commutes_and_associates(b1: float, b2: float, m1: float, m2: float, p: float) -> None:
    one, two = laws.uniform_replacement(2, 7, b1), laws.fields([3, 5], b2)
    noise = laws.gaussian(m1)
    three = laws.gaussian(m2)
    left = laws.compose(laws.compose(one, two), laws.compose(noise, three))
    right = laws.compose(three, two, noise, one)
    assert left.mu == pytest.approx(right.mu, rel=1e-15)
    # The two orders round differently in the last places of mu and of the masses, and lower(p) amplifies
    # relative errors of 1 - p by at most (1 - lower) / lower.
    assert left.lower(p) == pytest.approx(right.lower(p), rel=1e-7, abs=1e-11)
    assert left.upper(p) == pytest.approx(right.upper(p), rel=1e-7, abs=1e-11)


@EXAMPLES
@given(st.integers(0, 30), st.sampled_from([2, 10, 240, 32_000]), RATES, SHIFTS, PROBABILITIES)
def test_order_relations(d: int, alphabet: int, beta: float, mu: float, p: float) -> None:
    def lower(d: int, mu: float, p: float) -> float:
        return laws.compose(laws.uniform_replacement(d, alphabet, beta), laws.gaussian(mu)).lower(p)

    here = lower(d, mu, p)
    slack = 1 + 1e-9  # the outward rounding itself may differ by this much
    noise = 1e-12 + 2**-52 / (1 - p)
    assert lower(d + 1, mu, p) <= here * slack + noise
    assert lower(d, mu * 1.5 + 1e-6, p) <= here * slack + noise
    assert lower(d, mu, p - (1 - p) * 0.5 if p > 0.5 else p * 0.5) <= here * slack + noise
    assert here <= p


def test_extremes_stay_finite_and_ordered() -> None:
    for beta in (0.9, 0.99, 0.999, 0.9999):
        law = laws.uniform_replacement(512, 200_000, beta)
        assert law.log_ratio.size == 2 * 512 + 1
        for mu in (1e-6, 1e-3, 1.0, 50.0):
            joined = laws.compose(law, laws.gaussian(mu))
            lower, upper = joined.lower(1 - 1e-12), joined.upper(1e-12)
            assert 0.0 <= lower <= 1 - 1e-12
            assert 1e-12 <= upper <= 1.0
    # Far beyond the largest power of a float: the attacked probability really is about 2e-187 here.
    assert laws.uniform_replacement(60, 32_000, 0.25).lower(0.99) < 1e-180
    assert laws.radius(laws.uniform_replacement(60, 32_000, 0.25), 0.99, 0.5, threshold=4.6e-5) is None


def test_certainty_and_impossibility() -> None:
    law = laws.compose(laws.mask(2, 0.5), laws.gaussian(1.0))
    assert law.lower(0.0) == 0.0
    assert 0.25 * (1 - 1e-9) <= law.lower(1.0) <= 0.25
    assert 0.75 <= law.upper(0.0) <= 0.75 * (1 + 1e-9)
    assert law.upper(1.0) == 1.0


@pytest.mark.parametrize("d", [1, 3, 12])
@pytest.mark.parametrize("beta", [0.01, 1e-3, 1e-6])
def test_certainty_where_hardly_anything_remains_is_rounded_down(d: int, beta: float) -> None:
    """1 - Q(only Q) in floats exceeded the rest, beta^d, by 3e-11 of itself."""
    rest = Fraction(beta) ** d
    for law in (laws.mask(d, beta), laws.compose(laws.mask(d - 1, beta), laws.mask(1, beta))):
        assert Fraction(law.lower(1.0)) <= rest
        assert Fraction(law.lower(1.0)) >= rest * Fraction(1 - 1e-9)
        assert Fraction(law.upper(0.0)) >= 1 - rest


@pytest.mark.parametrize(("d", "alphabet", "beta"), [(3, 32_000, 0.5), (1, 3, 1e-12), (2, 3, 1 - 1e-9)])
def test_bounds_below_the_smallest_normal_float_are_rounded_outward_too(
    d: int, alphabet: int, beta: float
) -> None:
    """There a rounding is no small share of the number any more."""
    law, b = laws.uniform_replacement(d, alphabet, beta), Fraction(beta)
    step = (b / (alphabet - 1) / (1 - b)) ** d
    least, most = min(step, 1 / step), max(step, 1 / step)
    for p in (1e-300, 3e-305, 1e-310, 5e-324):  # less than any outcome's mass
        assert Fraction(law.lower(p)) <= Fraction(p) * least
        assert Fraction(law.upper(p)) >= Fraction(p) * most


def test_lost_masses_of_channels_that_hardly_lose_any_are_added() -> None:
    """1 - (1 - a)(1 - b) in floats loses the digits of small a and b."""
    beta = math.nextafter(1.0, 0.0)
    lost = 1 - Fraction(beta)
    both = laws.compose(laws.mask(1, beta), laws.mask(1, beta))
    exact = lost + lost - lost * lost
    assert abs(Fraction(float(np.exp(both.log_p[0]))) - exact) < Fraction(1e-12) * exact


def test_arrays_keep_their_shape_and_agree_with_scalars() -> None:
    law = laws.compose(laws.uniform_replacement(2, 50, 0.5), laws.gaussian(0.7))
    p = np.array([[0.2, 0.9], [0.99, 0.9999]])
    lower, upper = law.lower(p), law.upper(p)
    assert lower.shape == upper.shape == (2, 2)
    assert np.array_equal(law.lower(p.tolist()), lower)  # pyright: ignore[reportArgumentType, reportCallIssue]
    for index in np.ndindex(2, 2):
        assert lower[index] == pytest.approx(law.lower(float(p[index])), rel=1e-12)
        assert upper[index] == pytest.approx(law.upper(float(p[index])), rel=1e-12)


@pytest.mark.parametrize("p", [math.nan, -0.1, 1.5])
def test_a_bad_probability_is_named(p: float) -> None:
    with pytest.raises(InputError, match=r"p must be a probability in \[0, 1\]; got"):
        laws.gaussian(1.0).lower(p)


def test_a_law_that_does_not_sum_to_one_is_refused() -> None:
    with pytest.raises(InputError, match=r"total mass of P must be 1 within 1e-12; got 0\.5"):
        Law(np.zeros(1), np.log(np.full(1, 0.5)), np.zeros(1))


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: laws.uniform_replacement(-1, 10, 0.5), "d must be"),
        (lambda: laws.uniform_replacement(1, 1, 0.5), "alphabet must be"),
        (lambda: laws.uniform_replacement(1, 10, 0.0), "beta must be"),
        (lambda: laws.uniform_replacement(1, 10, math.nan), "beta must be"),
        (lambda: laws.mask(1, 1.5), "beta must be"),
        (lambda: laws.fields([3, 4], [0.1]), "betas must be"),
        (lambda: laws.gaussian(-1.0), "mu must be"),
        (lambda: laws.gaussian(math.inf), "mu must be"),
        (lambda: laws.field_laws(3, [4, 5], 0.1), "budget d must be between 0 and the number of fields"),
        (lambda: laws.replacement_laws(5, 10, 0.5, length=4), "budget d must be between 0 and the number of"),
        (lambda: laws.replacement_laws(1, 10, 0.5, length=4, outside=5), "outside must be"),
    ],
)
def test_bad_arguments_are_named(build: Any, named: str) -> None:
    with pytest.raises(InputError, match=named):
        build()
