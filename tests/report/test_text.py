"""Printed numbers never claim more than stored ones."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ironbound as ib
from ironbound.report.reading import _attacked
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


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_radii_are_called_by_their_norm(norm: Literal["l2", "linf"]) -> None:
    channel = ib.AdaptiveGaussian(1.0, 0.5, np.ones_like, "ones", norm, 2, unit="cm")
    model = ib.SmoothedClassifier(lambda batch: batch["x"][:, 0] > -1, ib.Smoothing(x=channel), num_classes=2)
    threat = ib.Threat(x=ib.LInf() if norm == "linf" else ib.L2())
    certificate = model.certify({"x": [0.0, 0.0]}, threat=threat, n=200)
    row: Any = None  # only the certificate is read
    label = _attacked(((row, certificate),)).radius_label
    assert label == f"certified {'max-norm' if norm == 'linf' else '2-norm'} radius on “x” (cm)"
