"""The attacker's worst choice: dominance agrees with looking at every choice."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ironbound import laws
from ironbound.laws.positions import masked, replaced


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([2, 3, 5, 9, 42]), st.sampled_from([0.05, 0.25, 0.6, 0.95])),
        min_size=2,
        max_size=6,
    ),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.4, 2.0]),
    st.sampled_from([0.3, 0.9, 0.999]),
)
def test_candidates_contain_the_worst_of_all_subsets(
    fields: list[tuple[int, float]], d: int, mu: float, p: float
) -> None:
    d = min(d, len(fields))
    arities, betas = [a for a, _ in fields], [b for _, b in fields]
    gauss = laws.gaussian(mu)
    found = min(laws.compose(law, gauss).lower(p) for law in laws.field_laws(d, arities, betas))
    every = min(
        laws.compose(laws.fields([arities[i] for i in s], [betas[i] for i in s]), gauss).lower(p)
        for s in itertools.combinations(range(len(fields)), d)
    )
    assert found == pytest.approx(every, rel=1e-9, abs=1e-15)


def test_one_rate_needs_one_law_the_largest_arities() -> None:
    arities = [9, 16, 7, 15, 6, 5, 2, 42]
    for d in range(1, 6):
        (law,) = laws.field_laws(d, arities, 0.25)
        largest = laws.fields(sorted(arities)[-d:], 0.25)
        assert law.lower(0.99) == pytest.approx(largest.lower(0.99), rel=1e-12)


def test_many_distinct_fields_are_not_enumerated() -> None:
    arities = list(range(2, 62))
    assert math.comb(60, 6) > 5e7
    assert len(laws.field_laws(6, arities, 0.25)) == 1


def test_rates_without_a_total_order_keep_several_candidates() -> None:
    # A tiny alphabet kept often against a large one kept rarely: neither curve lies above the other.
    one, two = replaced(2, 0.2), replaced(1000, 0.5)
    assert not one.dominates(two)
    assert not two.dominates(one)
    assert len(laws.field_laws(1, [2, 1000], [0.2, 0.5])) == 2


def test_dominance_is_blackwell_on_the_known_cases() -> None:
    assert replaced(10, 0.25).dominates(replaced(9, 0.25))
    assert not replaced(9, 0.25).dominates(replaced(10, 0.25))
    assert replaced(10, 0.2).dominates(replaced(10, 0.25))
    assert masked(0.25).dominates(replaced(10, 0.25))
    inside_out = replaced(10, 0.25, attacked_inside=False)
    assert inside_out.dominates(replaced(10, 0.25))
    assert replaced(10, 0.25, clean_inside=False, attacked_inside=False).dominates(inside_out)


def test_outside_tokens_are_spent_first() -> None:
    only_inside = laws.replacement_laws(2, 20, 0.5, length=4, outside=0, attacker="open")
    one_outside = laws.replacement_laws(2, 20, 0.5, length=4, outside=1, attacker="open")
    both_outside = laws.replacement_laws(2, 20, 0.5, length=4, outside=3, attacker="open")
    lowers = [min(law.lower(0.98) for law in c) for c in (only_inside, one_outside, both_outside)]
    assert lowers == sorted(lowers, reverse=True)
    assert lowers[0] > lowers[1] > lowers[2]
