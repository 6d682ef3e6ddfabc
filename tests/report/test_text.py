"""Printed numbers never claim more than stored ones."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ironbound.report.text import ceil_percent, floor_percent, percent, radius_text, seconds_text
from ironbound.runs.metrics import Share


@given(st.floats(0, 1e6), st.integers(0, 6))
def test_a_printed_radius_never_exceeds_the_certified_one(radius: float, digits: int) -> None:
    printed = Decimal(radius_text(radius, digits))
    assert printed <= Decimal(radius) < printed + Decimal(1).scaleb(-digits)


@given(st.integers(0, 1000), st.integers(1, 1000))
def test_a_printed_share_never_exceeds_the_counted_one(count: int, total: int) -> None:
    count = min(count, total)
    printed = Decimal(percent(Share(count, total, None, None)))
    assert printed * total <= 100 * count < (printed + Decimal("0.1")) * total


@given(st.floats(0, 1))
def test_intervals_are_rounded_outward(value: float) -> None:
    assert Decimal(floor_percent(value)) <= 100 * Decimal(value) + Decimal("1e-9")
    assert Decimal(ceil_percent(value)) >= 100 * Decimal(value) - Decimal("1e-9")


def test_what_is_not_certified_is_no_number() -> None:
    assert radius_text(None) == "–"
    assert radius_text(float("inf")) == "unbounded"


def test_times_have_a_unit() -> None:
    assert [seconds_text(s) for s in (None, 0.004, 2.0, 60.0, 3600.0)] == [
        "–",
        "4 ms",
        "2.0 s",
        "1 min 0 s",
        "1 h 0 min",
    ]
