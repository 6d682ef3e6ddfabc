"""The dual bounds against 40-digit arithmetic, and that every witness is safe."""

from __future__ import annotations

import handmade
import pytest
from flint import ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from ironbound.errors import InvalidCertificate
from ironbound.verify.bounds import LARGEST_WITNESS, Goal, proved_margin, shortfall
from ironbound.verify.positions import Choice, position
from ironbound.verify.products import joint

POSITIONS = {
    "closed": handmade.closed(7, 0.4),
    "written": handmade.in_to_out(7, 0.4),
    "clean": handmade.out_to_in(7, 0.4),
    "mask": handmade.masked(0.4),
}


def both(names: tuple[str, ...]) -> tuple[handmade.Law, Choice]:
    choice = tuple((position(POSITIONS[name]), 1) for name in names)
    return handmade.law(*(POSITIONS[name] for name in names)), choice


@pytest.mark.parametrize(
    "names", [(), ("closed",), ("mask",), ("written", "clean"), ("closed", "mask", "clean")]
)
@pytest.mark.parametrize("mu", [0.0, 1e-3, 0.7, 9.0])
@pytest.mark.parametrize("u", [-6.0, -0.3, 0.0, 2.5])
def test_the_shortfall_is_its_definition(names: tuple[str, ...], mu: float, u: float) -> None:
    law, choice = both(names)
    g, mp = handmade.mp.exp(handmade.exact(u)), handmade.mp
    expected = mp.mpf(0)
    for a, b in law:
        p, q = handmade.exact(a), handmade.exact(b)
        if mu == 0.0:
            expected += max(mp.mpf(0), g * p - q)
        elif q == 0:
            expected += g * p
        elif p != 0:
            z = (handmade.exact(u) - mp.log(q / p)) / handmade.exact(mu)
            half = handmade.exact(mu) / 2
            expected += g * p * mp.ncdf(z + half) - q * mp.ncdf(z - half)
    with ctx.workprec(256):
        found = mp.mpf(shortfall(joint(choice), mu, u).mid().str(60, radius=False))
    assert abs(found - expected) < mp.mpf(10) ** -34


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(POSITIONS)), max_size=2),
    st.sampled_from([0.0, 0.2, 1.0]),
    st.floats(0.05, 0.99),
    st.floats(-20, 20),
)
def test_no_witness_proves_more_than_the_truth(names: list[str], mu: float, p: float, u: float) -> None:
    law, choice = both(tuple(names))
    truth = handmade.lower(law, mu, p)[0]
    if truth > 1e-6:
        try:
            proved = proved_margin([joint(choice)], mu, Goal(p, 1e-9, None), [u], (), "c")
        except InvalidCertificate:
            return
        assert proved + 1e-9 <= truth + handmade.mp.mpf(10) ** -25


def test_the_worst_law_and_the_best_witness_count() -> None:
    weak, strong = joint(both(("closed",))[1]), joint(both(("mask",))[1])
    goal = Goal(0.95, 0.1, None)
    good = float(handmade.mp.log(1))
    alone = proved_margin([weak], 0.0, goal, [good], (), "c")
    assert proved_margin([weak, strong], 0.0, goal, [good], (), "c") < alone
    assert proved_margin([strong, weak], 0.0, goal, [good], (), "c") < alone
    assert proved_margin([weak], 0.0, goal, [5.0, good, -9.0], (), "c") == alone
    rivals = Goal(0.95, None, handmade.Fraction(1, 100))
    best = proved_margin([weak], 0.3, rivals, [1.95], [2.46], "c")
    assert proved_margin([weak], 0.3, rivals, [1.95], [9.0, 2.46, -9.0], "c") >= best
    with pytest.raises(InvalidCertificate, match="above the rivals"):
        proved_margin([weak], 0.3, rivals, [1.95], [9.0], "c")


@pytest.mark.parametrize(
    ("goal", "witnesses", "rivals", "says"),
    [
        (Goal(0.9, 0.5, None), [], [], r"c\.witnesses must be given"),
        (Goal(0.9, 0.5, None), [0.0], [0.0], r"c\.rival_witnesses must be empty"),
        (Goal(0.9, None, handmade.Fraction(1, 10)), [0.0], [], r"c\.rival_witnesses must be given"),
        (Goal(0.9, 0.5, None), [LARGEST_WITNESS * 1.01], [], "the log of a likelihood ratio"),
        (Goal(0.9, 0.5, None), [-1e300], [], "the log of a likelihood ratio"),
        (Goal(0.5, 0.5, None), [0.0], [], "mu must be small enough"),  # equal is not above
    ],
)
def test_unusable_witnesses_are_named(
    goal: Goal, witnesses: list[float], rivals: list[float], says: str
) -> None:
    with pytest.raises(InvalidCertificate, match=says):
        proved_margin([joint(())], 0.0, goal, witnesses, rivals, "c")


def test_many_positions_and_far_witnesses_stay_exact() -> None:
    """512 masked tokens: the closed form beta^d Phi(...) of the absorbing kernel (math notes, section 2)."""
    mp, beta, d, p, mu = handmade.mp, 0.9995, 512, 0.99, 0.4
    kept = handmade.exact(beta) ** d
    inner = (handmade.exact(p) - 1 + kept) / kept
    quantile = mp.sqrt(2) * mp.erfinv(2 * inner - 1)
    expected = kept * mp.ncdf(quantile - handmade.exact(mu))
    # The critical point solves Phi(u / mu + mu / 2) = inner.
    u = float(handmade.exact(mu) * quantile - handmade.exact(mu) ** 2 / 2)
    law = joint(((position(handmade.masked(beta)), d),))
    found = proved_margin([law], mu, Goal(p, 0.125, None), [u], (), "c") + 0.125
    assert abs(found - expected) < 1e-15
