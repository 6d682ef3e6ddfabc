"""Deciding inequalities: at growing precision, never by a guess."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import pytest
from flint import arb, ctx
from hypothesis import given
from hypothesis import strategies as st

from ironbound.errors import InvalidCertificate
from ironbound.verify.balls import LAST_BITS, exact, exceeds, floor_float


def test_a_difference_beyond_the_first_precision_is_found() -> None:
    third, near = (lambda: arb(1) / 3), (lambda: arb(1) / 3 + arb(2) ** -700)
    assert exceeds(near, third) is True
    assert exceeds(third, near) is False


def test_what_never_parts_is_left_undecided() -> None:
    seen: list[int] = []

    def root() -> arb:
        seen.append(ctx.prec)
        return arb(2).sqrt() ** 2

    assert exceeds(root, lambda: arb(2)) is None
    assert seen[0] == 128
    assert seen[-1] == LAST_BITS


def test_the_precision_of_the_caller_is_left_as_it_was() -> None:
    before = ctx.prec
    exceeds(lambda: arb(2).sqrt(), lambda: arb(1))
    floor_float(lambda: arb(2).sqrt(), "x")
    assert ctx.prec == before


@given(st.fractions(-10, 10).filter(lambda x: x != 0))
def test_the_floor_is_the_largest_float_not_above(x: Fraction) -> None:
    value, positive = floor_float(lambda: arb(exact(x)), "x")
    assert Fraction(value) <= x < Fraction(math.nextafter(value, math.inf))
    assert positive == (x > 0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (lambda: arb(0), (0.0, False)),
        (lambda: arb(0.75), (0.75, True)),
        (lambda: arb(2).sqrt() ** 2, (2.0, True)),  # a float, though never computed exactly
        (lambda: -(arb(2).sqrt() ** 2), (-2.0, False)),
        (lambda: arb(1) + arb(2) ** -5000, (1.0, True)),
        (lambda: arb(1) - arb(2) ** -5000, (math.nextafter(1.0, 0.0), True)),
    ],
)
def test_floors_at_the_edge(value: Callable[[], arb], expected: tuple[float, bool]) -> None:
    assert floor_float(value, "x") == expected


@pytest.mark.parametrize("value", [lambda: arb(2).sqrt() ** 2 - 2, lambda: arb.nan(), lambda: arb.pos_inf()])
def test_what_stays_undecided_is_refused(value: Callable[[], arb]) -> None:
    with pytest.raises(InvalidCertificate, match="claims\\[0\\] must be decided within 32768 bits"):
        floor_float(value, "claims[0]")
