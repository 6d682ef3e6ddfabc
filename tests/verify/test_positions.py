"""The attacker's choices: outcome tables, dominance in exact arithmetic, and no worse choice left out."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import handmade
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ironbound.certificate import DeletionNoise, ReplacementNoise, SuffixNoise, SynonymNoise
from ironbound.errors import InvalidCertificate
from ironbound.verify.positions import (
    Group,
    Position,
    choices,
    edited,
    groups_of,
    masked,
    position,
    replaced,
    undominated,
)
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


shares = st.fractions(0, 1, max_denominator=6)


@st.composite
def positions(draw: st.DrawFn) -> Position:
    """A share of P alone, a share of Q alone, and an overlap."""
    x, c = draw(shares), draw(shares)
    return position([(x, Fraction(0)), (1 - x, c), (Fraction(0), 1 - c)])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.lists(positions(), min_size=1, max_size=3)), min_size=1, max_size=3
    ),
    st.integers(0, 3),
)
def test_places_with_several_options_lose_no_worst_choice(
    places: list[tuple[int, list[Position]]], d: int
) -> None:
    each = [options for capacity, options in places for _ in range(capacity)]
    d = min(d, len(each))
    kept = list(undominated([Group(capacity, tuple(options)) for capacity, options in places], d))
    laws = [handmade.law(*(one.outcomes for one, n in choice for _ in range(n))) for choice in kept]
    for chosen in itertools.combinations(each, d):
        for picked in itertools.product(*chosen):
            law = handmade.law(*(one.outcomes for one in picked))
            for g in [Fraction(1, 9), Fraction(1, 2), Fraction(1), Fraction(3, 2), Fraction(7)]:
                assert max(divergence(other, g) for other in laws) >= divergence(law, g)


def at(x: int, c: int) -> Position:
    """x/20 of P alone, and an overlap that holds c/20 of Q."""
    only_p, shared = Fraction(x, 20), Fraction(c, 20)
    return position([(only_p, Fraction(0)), (1 - only_p, shared), (Fraction(0), 1 - shared)])


def test_a_place_that_is_still_to_be_filled_excludes_nothing() -> None:
    # i is worse than j, m and n are worse than k; i and k share a place, as m and n do. All three change.
    i, j, k, m, n = at(10, 10), at(8, 12), at(12, 14), at(12, 13), at(14, 14)
    assert i.worse(j)
    assert m.worse(k)
    assert n.worse(k)
    kept = undominated([Group(1, (i, k)), Group(1, (j,)), Group(1, (m, n))], 3)
    assert {frozenset(one for one, _ in choice) for choice in kept} == {
        frozenset(picked) for picked in itertools.product((i, k), (j,), (m, n))
    }


def test_the_places_of_a_text_are_those_inside_and_those_outside_the_alphabet() -> None:
    for attacker, options in (("closed", 1), ("open", 2)):
        record = ReplacementNoise("t", 0.5, 9, 7, outside=3, threat="token_l0", max_d=2, attacker=attacker)  # type: ignore[arg-type]
        inside, outside = groups_of(record, 2)
        assert (inside.capacity, outside.capacity) == (4, 3)
        assert len(inside.options) == len(outside.options) == options
        assert inside.options[0] == replaced(9, 0.5, True, True)
        assert outside.options[0] == replaced(9, 0.5, False, True)


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


def test_an_edit_shows_the_token_that_only_one_text_holds() -> None:
    r, one, zero = Fraction(3, 4), Fraction(1), Fraction(0)
    assert edited(0.75, True, False) == position([(1 - r, zero), (r, one)])  # deleted: the clean text has it
    assert edited(0.75, False, True) == position([(one, r), (zero, 1 - r)])  # inserted
    assert edited(0.75, True, True) == position([(1 - r, zero), (zero, 1 - r), (r, r)]) == masked(0.75)
    assert edited(0.75, True, True).worse(edited(0.75, True, False))
    assert edited(0.75, True, True).worse(edited(0.75, False, True))
    assert not edited(0.75, True, False).worse(edited(0.75, False, True))


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        (("insert",), [{(False, True): 3}]),
        (("delete",), [{(True, False): 2}]),  # the text has two tokens only
        (("substitute",), [{(True, True): 2}]),
        (
            ("insert", "delete"),
            [
                {(False, True): 3},
                {(False, True): 2, (True, False): 1},
                {(False, True): 1, (True, False): 2},
            ],
        ),
        (("insert", "delete", "substitute"), [{(True, True): 2, (False, True): 1}]),
    ],
)
def test_edits_are_spread_in_every_way_that_may_be_worst(operations: Any, expected: Any) -> None:
    record = DeletionNoise("t", 0.75, 9, 0, 2, "edits", 3, operations)
    wanted = [{edited(0.75, *ends): n for ends, n in one.items()} for one in expected]
    found = [dict(choice) for choice in choices(record, 3)]
    assert len(found) == len(wanted)
    assert all(one in wanted for one in found)


def test_synonyms_beyond_the_last_one_change_nothing() -> None:
    record = SynonymNoise("t", 0.5, ((2, 1), (6, 2)), "ab", 9, "synonym_l0", 5)
    small, large = replaced(2, 0.5, True, True), replaced(6, 0.5, True, True)
    assert [dict(c) for c in choices(record, 1)] == [{large: 1}]
    assert (
        [dict(c) for c in choices(record, 3)]
        == [{large: 2, small: 1}]
        == [dict(c) for c in choices(record, 5)]
    )


def test_a_budget_reaches_the_tokens_of_a_suffix_in_order() -> None:
    kernel = ReplacementNoise("t", 0.5, 9, 3, outside=1)
    record = SuffixNoise("t", kernel, 8, 3, (2,), None, None, "suffix_in_place", 3, "closed")
    for d, outside in ((1, 0), (2, 1), (3, 1)):
        inside, beyond = groups_of(record, d)
        assert (inside.capacity, beyond.capacity) == (d - outside, outside)
