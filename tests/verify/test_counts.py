"""Bounds from counts: exactly the float that 40-digit arithmetic gives, and nothing beside it."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import mpmath as mp
import pytest
from flint import arb, ctx
from handmade import beta_mixture, clopper_pearson, exact, tail
from hypothesis import given, settings
from hypothesis import strategies as st

from ironbound import confidence
from ironbound.certificate import Estimate
from ironbound.errors import InvalidCertificate
from ironbound.verify.counts import _falling, check_estimate, log_mixture, upper_tail

COUNTS = [(0, 1), (1, 1), (1, 2), (3, 7), (99, 100), (100, 100), (1, 1000), (100, 200), (9970, 10_000)]


def accepted(estimate: Estimate) -> bool:
    try:
        check_estimate(estimate, "estimate")
    except InvalidCertificate as error:
        return "estimate.bound must be" not in str(error)
    return True


@pytest.mark.parametrize(("k", "n"), COUNTS)
@pytest.mark.parametrize("alpha", [0.01, 1e-6, 0.5])
@pytest.mark.parametrize("side", ["lower", "upper"])
def test_clopper_pearson_is_accepted_only_to_the_last_digit(k: int, n: int, alpha: float, side: str) -> None:
    right = clopper_pearson(k, n, alpha, side)
    assert accepted(Estimate(0, side, k, n, alpha, right))  # type: ignore[arg-type]
    for wrong in (math.nextafter(right, 2.0), math.nextafter(right, -1.0), right * 0.9, right * 0.9 + 0.1):
        if 0.0 <= wrong <= 1.0 and wrong != right:
            assert not accepted(Estimate(0, side, k, n, alpha, wrong)), wrong  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("k", "n", "alpha", "bound"), [(1, 1, 0.25, 0.25), (2, 3, 0.5, 0.5), (10, 10, 2.0**-10, 0.5)]
)
def test_a_tie_with_alpha_counts_as_rejected(k: int, n: int, alpha: float, bound: float) -> None:
    assert accepted(Estimate(0, "lower", k, n, alpha, bound))
    assert accepted(Estimate(0, "upper", n - k, n, alpha, 1.0 - bound))
    assert not accepted(Estimate(0, "lower", k, n, alpha, math.nextafter(bound, 0.0)))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_tail_agrees_with_a_40_digit_sum(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 400))
    k = data.draw(st.integers(1, n))
    p = data.draw(st.floats(1e-3, 1 - 1e-3))
    expected = tail(k, n, exact(p))
    with ctx.workprec(256):
        found = upper_tail(k, n, arb(p))
        error = abs(mp.mpf(found.mid().str(60, radius=False)) - expected)
    assert error <= expected * mp.mpf(10) ** -25 + mp.mpf(10) ** -36  # 40 digits, less what 1 - sum loses


@pytest.mark.parametrize(("k", "n"), [(1, 1), (60, 64), (64, 64), (20, 200), (1998, 2000)])
@pytest.mark.parametrize("alpha", [0.01, 0.3])
def test_the_flat_mixture_is_accepted_only_to_the_last_digit(k: int, n: int, alpha: float) -> None:
    right = beta_mixture(k, n, alpha)
    flat = (1.0, 1.0)
    assert accepted(Estimate(0, "lower", k, n, alpha, right, "beta_mixture", flat))
    for wrong in (math.nextafter(right, 1.0), math.nextafter(right, 0.0), right * 1.01):
        assert not accepted(Estimate(0, "lower", k, n, alpha, wrong, "beta_mixture", flat))
    right = beta_mixture(n - k, n, alpha, "upper")
    assert accepted(Estimate(0, "upper", n - k, n, alpha, right, "beta_mixture", flat))
    for wrong in (math.nextafter(right, 1.0), math.nextafter(right, 0.0), right * 0.99):
        assert wrong == right or not accepted(
            Estimate(0, "upper", n - k, n, alpha, wrong, "beta_mixture", flat)
        )


def test_an_uneven_prior_is_mirrored_for_an_upper_bound() -> None:
    uneven, mirrored = (0.5, 3.0), (3.0, 0.5)
    bound = confidence.beta_mixture_upper(4, 64, 0.001, uneven)
    assert bound != confidence.beta_mixture_upper(4, 64, 0.001, mirrored)
    assert accepted(Estimate(0, "upper", 4, 64, 0.001, bound, "beta_mixture", uneven))
    assert not accepted(Estimate(0, "upper", 4, 64, 0.001, bound, "beta_mixture", mirrored))


@pytest.mark.parametrize(("k", "n", "p"), [(3, 5, 0.2), (60, 64, 0.75), (1, 9, 0.01)])
@pytest.mark.parametrize("prior", [(0.5, 0.5), (2.0, 1.0), (0.3, 3.0)])
def test_the_martingale_is_the_defining_integral(
    k: int, n: int, p: float, prior: tuple[float, float]
) -> None:
    a, b = (mp.mpf(x) for x in prior)
    p0, start = exact(p), mp.asin(mp.sqrt(exact(p)))

    def ratio(angle: Any) -> Any:  # x = sin^2 takes the ends of the Beta density away
        x, y = mp.sin(angle) ** 2, mp.cos(angle) ** 2
        return (x / p0) ** k * (y / (1 - p0)) ** (n - k) * x ** (a - 0.5) * y ** (b - 0.5)

    def weight(angle: Any) -> Any:
        return mp.sin(angle) ** (2 * a - 1) * mp.cos(angle) ** (2 * b - 1)

    points = [start, (start + mp.pi / 2) / 2, mp.pi / 2]
    expected: Any = mp.quad(ratio, points)  # type: ignore[assignment]
    expected = expected / mp.quad(weight, points)
    with ctx.workprec(128):
        found = float(log_mixture(k, n, arb(p), *prior).exp())
    assert abs(found / float(expected) - 1) < 1e-8


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"trials": 0}, "trials must be between 1"),
        ({"successes": 11}, "successes must be between 0 and the 10 trials"),
        ({"successes": -1}, "successes must be"),
        ({"alpha": 0.0}, "alpha must be"),
        ({"alpha": 1.0}, "alpha must be"),
        ({"bound": -0.1}, "bound must be a probability"),
        ({"bound": 1.5}, "bound must be a probability"),
        ({"prior": (1.0, 1.0)}, "prior must be null"),
        ({"rule": "beta_mixture"}, "prior must be two shapes"),
        ({"rule": "beta_mixture", "prior": (0.0, 1.0)}, "prior must be two shapes"),
        ({"side": "upper"}, "bound must be a larger number"),
        ({"successes": 8}, "bound must be a smaller number"),
        ({"successes": 10}, "bound must be the largest float"),
    ],
)
def test_what_is_out_of_range_is_named(change: dict[str, object], says: str) -> None:
    right = Estimate(0, "lower", 9, 10, 0.01, clopper_pearson(9, 10, 0.01, "lower"))
    check_estimate(right, "e")
    wrong = {name: getattr(right, name) for name in right.__dataclass_fields__} | change
    with pytest.raises(InvalidCertificate, match=says):
        check_estimate(Estimate(**wrong), "e")  # type: ignore[arg-type]


@pytest.mark.parametrize("bits", [128, 192])
@pytest.mark.parametrize("n", [300, 10_000, 400_000])
def test_a_tail_of_falling_terms_encloses_the_incomplete_beta_function(n: int, bits: int) -> None:
    """Summed only until the rest is small: the ball has to hold the rest, on the right side."""
    summed = 0
    for share in (0.3, 0.7, 0.95):
        for below in (0.5, 2.0, 12.0):
            p = share - below * (share * (1 - share) / n) ** 0.5
            k = round(share * n)
            if not (0 < p < 1 and 64 < k <= n - 64):
                continue
            with ctx.workprec(bits):
                found = _falling(k, n, arb(p))
            with ctx.workprec(bits + 32):
                exact = arb(p).beta_lower(k, n - k + 1, regularized=True)
            if found is not None:
                assert found.contains(exact)
                assert found.rel_accuracy_bits() >= bits // 2 - 8
                summed += 1
    assert summed >= 2
    assert _falling(n // 2, n, arb(0.9)) is None  # the terms rise first


def stands(estimate: Estimate) -> bool:
    """Whether nothing at all is wrong with it."""
    try:
        check_estimate(estimate, "estimate")
    except InvalidCertificate:
        return False
    return True


def look(k: int, n: int, planned: int, share: float, side: str = "lower") -> Estimate:
    """An estimate at alpha = 0.01 whose bound spends the given share of it."""
    bound = clopper_pearson(k, n, share, side)
    rule = "clopper_pearson_looks"
    return Estimate(0, side, k, n, 0.01, bound, rule, None, planned)  # type: ignore[arg-type]


# 2,000 draws have the looks 64, 80, 100, 125, 156, 195, 243, 303, 378, 472, 590, 737, 921, 1151, 1438, 1797.
EARLY = 0.01 / 2 / 16


@pytest.mark.parametrize("side", ["lower", "upper"])
def test_looks_spend_their_share_of_alpha_and_no_more(side: str) -> None:
    for n, share in ((64, EARLY), (1797, EARLY), (2000, 0.005)):
        k = n - 3 if side == "lower" else 3
        right = look(k, n, 2000, share, side)
        assert right.bound == look(k, n, 2000, confidence.level_at(n, 2000, 0.01), side).bound
        assert stands(right)
        for other in (share * 1.001, share * 0.999, 0.01, 0.01 / 17):
            assert not stands(look(k, n, 2000, other, side))
    assert stands(look(60, 64, 64, 0.01))  # one look alone has all of alpha


def test_only_planned_looks_count() -> None:
    right = look(90, 100, 2000, EARLY)
    assert stands(right)
    for change in (
        {"planned": None},
        {"planned": 99},
        {"planned": 10**13},
        {"planned": 100},  # then it would be the last one, with half of alpha
        {"planned": 10_000},  # more looks, smaller shares
        {"trials": 101},
        {"trials": 125},
        {"prior": (1.0, 1.0)},
        {"rule": "clopper_pearson"},
        {"rule": "beta_mixture", "prior": (0.5, 0.5)},
    ):
        wrong = {name: getattr(right, name) for name in right.__dataclass_fields__} | change
        assert not stands(Estimate(**wrong)), change  # type: ignore[arg-type]
    assert not stands(look(1900, 1900, 2000, EARLY))  # within a tenth of the last look there is none


def test_shares_of_all_looks_fit_into_alpha() -> None:
    for most in (1, 64, 70, 71, 100, 999, 10_000, 123_457):
        for alpha in (0.01, 0.001 / 3, 1e-300, 0.7):
            looks = confidence.planned_looks(most)
            spent = sum(Fraction(confidence.level_at(n, most, alpha)) for n in looks)
            assert Fraction(alpha) * (1 - Fraction(1, 10**12)) <= spent <= Fraction(alpha)
            assert looks[-1] == most
            assert list(looks) == sorted(set(looks))
