"""Budgets of hundreds of tokens and vocabularies of 200,000, against the checker's integers and balls."""

from __future__ import annotations

import math

import pytest
from flint import arb, ctx

from ironbound import laws
from ironbound.verify.balls import exact
from ironbound.verify.bounds import shortfall
from ironbound.verify.positions import replaced
from ironbound.verify.products import joint

# (d, alphabet, beta): from hardly noisy, where 1 - beta^d of the mass is lost, to nearly uniform.
LARGE = [(512, 200_000, 0.9999), (512, 200_000, 0.999), (512, 2, 0.4999), (300, 32_000, 0.98), (64, 240, 0.9)]
LEVELS = [1 - 1e-12, 0.99, 1e-3]


@pytest.mark.parametrize(("d", "alphabet", "beta"), LARGE[::2])
@pytest.mark.parametrize("mu", [1e-6, 0.3, 50.0])
def test_bounds_agree_with_the_dual_in_ball_arithmetic(d: int, alphabet: int, beta: float, mu: float) -> None:
    law = laws.compose(laws.uniform_replacement(d, alphabet, beta), laws.gaussian(mu))
    outcomes = joint(((replaced(alphabet, beta, True, True), d),))
    for p in LEVELS:
        u, v = law.witness(p), law.upper_witness(p)
        with ctx.workprec(256 + math.ceil(3 * max(abs(u), abs(v)))):
            g, h = arb(exact(u)).exp(), arb(exact(v)).exp()
            lower = g * exact(p) - shortfall(outcomes, mu, u)
            upper = 1 - h * (1 - arb(exact(p))) + shortfall(outcomes, mu, v)
            # By weak duality the balls bound the truth from the same side; at the witness they meet it.
            assert arb(law.lower(p)) <= max(lower, arb(0))
            assert arb(law.upper(p)) >= min(upper, arb(1))
            # A float of p near 1 carries 1.1e-16, which the slope g amplifies.
            slack = 1e-9 * max(float(lower), 1e-9) + 2.0**-52 * float(g)
            assert float(lower) - law.lower(p) <= slack
            assert law.upper(p) - float(upper) <= 1e-9 * max(float(upper), 1e-9) + 2.0**-52 * float(h)


@pytest.mark.parametrize(("d", "alphabet", "beta"), LARGE)
def test_every_mass_is_right_to_1e_13(d: int, alphabet: int, beta: float) -> None:
    law = laws.uniform_replacement(d, alphabet, beta)
    outcomes = joint(((replaced(alphabet, beta, True, True), d),))
    found = dict(zip(range(law.log_ratio.size), law.log_p.tolist(), strict=True))
    assert len(outcomes.atoms) == len(found)
    with ctx.workprec(256):
        for log_p, (p, _) in zip(found.values(), outcomes.atoms, strict=True):
            truth = float((arb(p) / arb(outcomes.scale)).log())
            assert log_p == pytest.approx(truth, rel=1e-13, abs=1e-13)
