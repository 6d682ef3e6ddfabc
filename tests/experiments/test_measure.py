"""Counting certified inputs: right, certified, and at least that far."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ironbound.experiments.measure import accuracy, radius


def row(label: int, prediction: int | None, *frontier: tuple[int, float | str | None]) -> dict[str, Any]:
    return {"label": label, "prediction": prediction, "frontier": [list(pair) for pair in frontier]}


def test_wrong_and_abstained_inputs_never_count() -> None:
    rows = [row(1, 1, (0, 0.5)), row(1, 0, (0, 9.0)), row(1, None, (0, None)), row(1, 1, (0, None))]
    assert accuracy(rows, 0, [0.0, 0.5, 0.6]) == [25.0, 25.0, 0.0]


def test_a_radius_of_exactly_r_counts_at_r_and_not_beyond() -> None:
    rows = [row(1, 1, (0, 0.5))]
    assert accuracy(rows, 0, [0.5, float(np.nextafter(0.5, 1))]) == [100.0, 0.0]


def test_budgets_between_claims_use_the_claim_that_covers_them() -> None:
    frontier = row(1, 1, (0, 2.0), (2, 1.0), (4, None))
    assert [radius(frontier, d) for d in range(6)] == [2.0, 1.0, 1.0, -math.inf, -math.inf, -math.inf]
    assert radius(row(1, 1, (0, "inf"))) == math.inf
