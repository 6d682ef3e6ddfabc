"""The attacker's choices: outcome tables, dominance in exact arithmetic, and no worse choice left out."""

from __future__ import annotations

import itertools
from fractions import Fraction

import handmade
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ironbound.errors import InvalidCertificate
from ironbound.verify.positions import Group, Position, masked, position, replaced, undominated
from ironbound.verify.products import joint


def divergence(outcomes: handmade.Law, g: Fraction) -> Fraction:
    return sum((max(Fraction(0), g * p - q) for p, q in outcomes), Fraction(0))


def test_the_four_tables_of_one_token() -> None:
    s, beta = 9, 0.25
    assert replaced(s, beta, True, True) == position(handmade.closed(s, beta))
    assert replaced(s, beta, True, False) == position(handmade.in_to_out(s, beta))
    assert replaced(s, beta, False, True) == position(handmade.out_to_in(s, beta))
    assert replaced(s, beta, False, False) == position(handmade.masked(beta)) == masked(beta)


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 40), st.floats(0.01, 1.0), st.booleans(), st.booleans())
def test_each_table_is_two_distributions(s: int, beta: float, clean: bool, written: bool) -> None:
    one = replaced(s, beta, clean, written)
    assert sum(p for p, _ in one.outcomes) == sum(q for _, q in one.outcomes) == 1


fields = st.tuples(st.integers(2, 7), st.sampled_from([0.1, 0.25, 0.5, 0.9]))


@settings(max_examples=60, deadline=None)
@given(st.lists(fields, min_size=2, max_size=2))
def test_dominance_is_what_a_dense_grid_of_g_shows(pair: list[tuple[int, float]]) -> None:
    one, other = (replaced(v, b, True, True) for v, b in pair)
    grid = [Fraction(i, 40) for i in range(400)] + [Fraction(10) ** i for i in range(1, 6)]
    seen = all(one.divergence(g) >= other.divergence(g) for g in grid)
    if one.worse(other):
        assert seen
    else:
        kinks = [q / p for p, q in one.outcomes + other.outcomes if p]
        assert any(one.divergence(g) < other.divergence(g) for g in [*kinks, max(kinks) + 1])


@settings(max_examples=60, deadline=None)
@given(st.lists(fields, min_size=1, max_size=5), st.integers(0, 3))
def test_no_choice_of_fields_is_worse_than_all_that_are_kept(each: list[tuple[int, float]], d: int) -> None:
    d = min(d, len(each))
    single = [replaced(v, b, True, True) for v, b in each]
    kept = list(undominated([Group(1, (one,)) for one in single], d))
    assert kept
    laws = [handmade.law(*(one.outcomes for one, n in choice for _ in range(n))) for choice in kept]
    grid = [Fraction(i, 8) for i in range(1, 40)] + [Fraction(1, 100), Fraction(100)]
    for subset in itertools.combinations(single, d):
        law = handmade.law(*(one.outcomes for one in subset))
        for g in grid:
            assert max(divergence(other, g) for other in laws) >= divergence(law, g)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 6), st.floats(0.05, 1.0), st.integers(0, 3), st.integers(0, 3), st.data())
def test_no_choice_of_tokens_is_worse_than_all_that_are_kept(
    s: int, beta: float, inside: int, outside: int, data: st.DataObject
) -> None:
    d = data.draw(st.integers(0, min(3, inside + outside)))
    options = {c: [replaced(s, beta, c, w) for w in (True, False)] for c in (True, False)}
    groups = [Group(inside, tuple(options[True])), Group(outside, tuple(options[False]))]
    kept = [
        handmade.law(*(o.outcomes for o, n in choice for _ in range(n))) for choice in undominated(groups, d)
    ]
    places = [True] * inside + [False] * outside
    for chosen in itertools.combinations(places, d):
        for written in itertools.product(*(options[c] for c in chosen)):
            law = handmade.law(*(one.outcomes for one in written))
            for g in [Fraction(1, 9), Fraction(1, 2), Fraction(1), Fraction(3, 2), Fraction(7)]:
                assert max(divergence(other, g) for other in kept) >= divergence(law, g)


def test_one_rate_needs_one_choice_the_largest_arities() -> None:
    each = [9, 16, 7, 15, 6, 5, 2, 42]
    (choice,) = undominated([Group(1, (replaced(v, 0.25, True, True),)) for v in each], 3)
    assert {one for one, _ in choice} == {replaced(v, 0.25, True, True) for v in (42, 16, 15)}


def test_too_many_choices_are_refused_not_waited_for() -> None:
    # A larger share of P alone is worse at small g, a smaller share of Q in the overlap at large g.
    shares = [(Fraction(i, 100), Fraction(i * i, 4000)) for i in range(2, 40)]
    zero = Fraction(0)
    each = [position([(x, zero), (1 - x, c), (zero, 1 - c)]) for x, c in shares]
    assert not any(one.worse(other) for one, other in itertools.permutations(each, 2))
    assert len(list(undominated([Group(1, (one,)) for one in each], 2))) == 38 * 37 // 2
    with pytest.raises(InvalidCertificate, match="choices must be at most"):
        list(undominated([Group(9, (one,)) for one in each], 12))


@pytest.mark.parametrize("d", [0, 1, 2, 4])
@pytest.mark.parametrize("one", [replaced(5, 0.3, c, w) for c in (True, False) for w in (True, False)])
def test_a_power_is_the_enumerated_product(one: Position, d: int) -> None:
    law = joint(((one, d),) if d else ())
    expected = handmade.law(*[one.outcomes] * d)
    atoms = {(Fraction(int(p), int(law.scale)), Fraction(int(q), int(law.scale))) for p, q in law.atoms}
    assert atoms == {(p, q) for p, q in expected if p and q}
    assert Fraction(int(law.only_p), int(law.scale)) == sum((p for p, q in expected if not q), Fraction(0))


def test_powers_of_several_positions_multiply() -> None:
    parts = ((replaced(5, 0.3, True, True), 2), (replaced(7, 0.5, False, True), 1))
    law = joint(parts)
    expected = handmade.law(*(one.outcomes for one, n in parts for _ in range(n)))
    for g in (Fraction(1, 3), Fraction(1), Fraction(4)):
        total = g * Fraction(int(law.only_p), int(law.scale))
        for p, q in law.atoms:
            total += max(Fraction(0), Fraction(int(p), int(law.scale)) * g - Fraction(int(q), int(law.scale)))
        assert total == divergence(expected, g)
