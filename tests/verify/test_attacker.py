"""An attacker who knows everything, on spaces small enough to list, never beats a certificate.

The worst base classifier is built outcome by outcome: it answers A on the noised inputs of smallest
likelihood ratio, with randomisation on the boundary, so that its clean probability is exactly p. Its
attacked probability is then known exactly, and so is the largest claim that is true.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import handmade
import pytest

from ironbound.errors import InvalidCertificate
from ironbound.verify.bounds import Goal, proved_margin
from ironbound.verify.positions import masked, replaced
from ironbound.verify.products import joint

WORDS = 3


def noised(text: tuple[int, ...], beta: float) -> dict[tuple[int, ...], Fraction]:
    """Probability of every text of the same length under uniform replacement."""
    b = Fraction(beta)
    found = {}
    for shown in itertools.product(range(WORDS), repeat=len(text)):
        probability = Fraction(1)
        for clean, symbol in zip(text, shown, strict=True):
            probability *= 1 - b if clean == symbol else b / (WORDS - 1)
        found[shown] = probability
    return found


def worst_test(
    clean: dict[tuple[int, ...], Fraction], attacked: dict[tuple[int, ...], Fraction], p: Fraction
) -> dict[tuple[int, ...], Fraction]:
    """Weights of the test that keeps p at the clean text and least at the attacked one."""
    left, weights = p, {}
    for shown in sorted(clean, key=lambda z: attacked[z] / clean[z]):
        taken = min(left, clean[shown])
        weights[shown] = taken / clean[shown]
        left -= taken
    return weights


@pytest.mark.parametrize("beta", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("p", [0.6, 0.9, 0.99])
def test_a_threshold_just_below_the_worst_attack_is_proved_and_one_above_is_refused(
    beta: float, d: int, p: float
) -> None:
    clean, attacked = noised((0, 0, 0), beta), noised((1,) * d + (0,) * (3 - d), beta)
    weights = worst_test(clean, attacked, Fraction(p))
    assert sum(weights[z] * clean[z] for z in clean) == Fraction(p)
    reached = sum(weights[z] * attacked[z] for z in clean)  # what the attacker really gets

    law = joint(((replaced(WORDS, beta, True, True), d),))
    ratios = sorted({attacked[z] / clean[z] for z in clean})
    # The right witness is the ratio on the boundary; all of them are offered.
    witnesses = [float(handmade.mp.log(handmade.exact(r))) for r in ratios]
    below, above = float(reached * Fraction(999, 1000)), float(reached * Fraction(1001, 1000))
    assert proved_margin([law], 0.0, Goal(p, below, None), witnesses, (), "claim") > 0
    with pytest.raises(InvalidCertificate, match="mu must be small enough"):
        proved_margin([law], 0.0, Goal(p, above, None), witnesses, (), "claim")


@pytest.mark.parametrize("p", [0.9, 0.99])
@pytest.mark.parametrize("d", [0, 1, 2])
def test_beside_a_gaussian_the_exact_radius_is_proved_and_a_thousandth_more_is_refused(
    p: float, d: int
) -> None:
    law, one = handmade.law(*[handmade.closed(WORDS, 0.6)] * d), replaced(WORDS, 0.6, True, True)
    claim = handmade.claim((), [law], p, 0.5, None, continuous=True)
    checked = joint(((one, d),) if d else ())
    if claim.mu is None:
        with pytest.raises(InvalidCertificate):
            proved_margin([checked], 0.0, Goal(p, 0.5, None), [-1.0, 0.0, 1.0], (), "claim")
        return
    assert proved_margin([checked], claim.mu, Goal(p, 0.5, None), claim.witnesses, (), "claim") > 0
    more = claim.mu + 1e-3
    witness = float(handmade.lower(law, more, p)[1])
    value = handmade.lower(law, more, p)[0]
    assert value < 0.5, "the attacker wins there"
    for u in (witness, *claim.witnesses, witness + 0.01, witness - 0.01):
        with pytest.raises(InvalidCertificate):
            proved_margin([checked], more, Goal(p, 0.5, None), [u], (), "claim")


@pytest.mark.parametrize("steps", [1, 3])
def test_a_coarse_grid_of_shifted_normals_attains_the_bound_of_the_joint_law(steps: int) -> None:
    """One mask and one Gaussian coordinate cut into cells: tests on the cells stay above the dual bound."""
    mu, p, law = 0.7, 0.95, handmade.law(handmade.masked(0.8))
    bound = handmade.lower(law, mu, p)[0]
    edges = [-10, *(i / (4 * steps) for i in range(-16 * steps, 16 * steps + 1)), 10]
    cells = [
        (handmade.exact(a) * _mass(lo, hi, 0.0), handmade.exact(b) * _mass(lo, hi, mu))
        for (a, b) in law
        for lo, hi in itertools.pairwise(edges)
    ]
    left, reached = handmade.mp.mpf(p), handmade.mp.mpf(0)
    for a, b in sorted((c for c in cells if c[0] > 0), key=lambda c: c[1] / c[0]):
        taken = min(left, a)
        left, reached = left - taken, reached + taken / a * b
    assert bound < reached < bound + handmade.mp.mpf(0.02) / steps
    u = float(handmade.lower(law, mu, p)[1])
    proved = proved_margin([joint(((masked(0.8), 1),))], mu, Goal(p, 0.1, None), [u], (), "claim") + 0.1
    assert reached - 0.02 / steps < proved <= reached
    assert abs(proved - float(bound)) < 1e-12


def test_rivals_cannot_overtake_where_proved_and_do_a_thousandth_beyond() -> None:
    law, checked = handmade.law(), joint(())
    p, rival = 0.7, Fraction(0.2)
    claim = handmade.claim((), [law], p, None, rival, continuous=True)
    assert claim.mu is not None
    exact = (handmade.mp.erfinv(2 * 0.7 - 1) - handmade.mp.erfinv(2 * 0.2 - 1)) / handmade.mp.sqrt(2)
    assert abs(claim.mu - exact) < 1e-8  # (Phi^-1(p_A) - Phi^-1(p_B)) / 2, Cohen et al. 2019
    goal = Goal(p, None, rival)
    assert proved_margin([checked], claim.mu, goal, claim.witnesses, claim.rival_witnesses, "claim") > 0
    with pytest.raises(InvalidCertificate, match="above the rivals"):
        proved_margin([checked], claim.mu + 1e-3, goal, claim.witnesses, claim.rival_witnesses, "claim")


def _mass(low: float, high: float, mean: float) -> Any:
    """P(low < -X <= high) for X ~ N(mean, 1): cells in decreasing order of the coordinate."""
    return handmade.mp.ncdf(high + mean) - handmade.mp.ncdf(low + mean)
