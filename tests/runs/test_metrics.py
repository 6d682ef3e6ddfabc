"""Figures of a run against a count by hand, and the rules about rounding, labels and errors."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ironbound.runs.metrics import Budget, Entry, Share, curve, summarise
from ironbound.runs.store import Row


class Certified:
    """Stands for a certificate: what metrics read of one."""

    def __init__(self, prediction: int | None, frontier: dict[Budget, float | None]) -> None:
        self.prediction = prediction
        self.frontier = MappingProxyType(frontier)


def entry(
    position: int, label: int | None, prediction: int | None, frontier: dict[Budget, float | None] | None
) -> Entry:
    failed = frontier is None
    status: Any = "error" if failed else "abstained" if prediction is None else "predicted"
    row = Row(position, str(position), status, label, prediction, label, 0 if failed else 110, 0.5, "", None)
    certificate: Any = None if frontier is None else Certified(prediction, frontier)
    return Entry.of(row, certificate)


RUN = (
    entry(0, 1, 1, {0: 0.5, 1: 0.2}),
    entry(1, 0, 0, {0: 0.3, 1: None}),
    entry(2, 1, 0, {0: 0.9, 1: 0.9}),  # certified, but wrong
    entry(3, 0, None, {0: None, 1: None}),
    entry(4, 0, None, None),  # failed
)


def test_shares_are_counted_over_all_labelled_inputs() -> None:
    found = summarise(RUN, requested=6, radii=(0.3, 0.5))
    assert found.accuracy is not None
    assert (found.accuracy.count, found.accuracy.total) == (2, 5)
    assert (found.done, found.errors, found.requested) == (4, 1, 6)
    assert (found.abstained.count, found.abstained.total) == (1, 5)
    assert found.radii == (0.0, 0.3, 0.5)
    assert {d: [s.count for s in shares] for d, shares in found.certified.items()} == {
        0: [2, 2, 1],
        1: [1, 0, 0],
    }
    assert found.largest == {0: 0.9, 1: 0.9}
    assert found.samples_mean == 110


def test_without_labels_predictions_are_counted() -> None:
    bare = [entry(e.row.position, None, e.row.prediction, dict(e.frontier)) for e in RUN[:4]]
    found = summarise(bare, requested=4, radii=(0.3,))
    assert found.accuracy is None
    assert not found.labelled
    assert [s.count for s in found.certified[0]] == [3, 3]
    assert curve(bare, 0) == [0.3, 0.5, 0.9]


def test_curve_steps_are_the_radii_of_right_predictions() -> None:
    assert curve(RUN, 0) == [0.3, 0.5]
    assert curve(RUN, 1) == [0.2]


def test_an_empty_run_has_figures_too() -> None:
    found = summarise((), requested=3)
    assert found.budgets == ()
    json.dumps(found.record(), allow_nan=False)


def test_an_unbounded_radius_does_not_reach_the_files() -> None:
    found = summarise([entry(0, 1, 1, {0: float("inf")})], requested=1)
    assert '"radius": null' in json.dumps(found.record(), allow_nan=False)


def test_several_discrete_channels_are_ordered_by_their_sum() -> None:
    frontier: dict[Budget, float | None] = {(1, 1): 0.1, (0, 0): 0.4, (1, 0): 0.3, (0, 1): 0.2}
    assert summarise([entry(0, 1, 1, frontier)], requested=1).budgets == ((0, 0), (0, 1), (1, 0), (1, 1))


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=20), st.floats(0, 1e3))
def test_more_radius_never_means_more_certified(radii: list[float], extra: float) -> None:
    found = summarise([entry(i, 1, 1, {0: r}) for i, r in enumerate(radii)], len(radii), (extra, 2 * extra))
    counts = [s.count for s in found.certified[0]]
    assert counts == sorted(counts, reverse=True)
    assert counts == [sum(r >= at for r in radii) for at in found.radii]


@given(st.floats(1e-4, 1e4))
def test_the_chosen_grid_starts_at_zero_and_stays_below_the_largest_radius(top: float) -> None:
    grid = summarise([entry(0, 1, 1, {0: top})], requested=1).radii
    assert grid[0] == 0.0
    assert 3 <= len(grid) <= 8
    assert grid[-1] <= top * (1 + 1e-9)
    assert list(grid) == sorted(set(grid))


@pytest.mark.parametrize(("count", "total"), [(0, 7), (7, 7), (3, 7), (99, 100)])
def test_the_interval_holds_the_share(count: int, total: int) -> None:
    share = Share.of(count, total)
    assert share.lower is not None
    assert share.upper is not None
    assert share.lower <= count / total <= share.upper
    assert share.upper - share.lower < 0.8
