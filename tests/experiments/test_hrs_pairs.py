"""Certificates of pictures with texts beside those of one channel alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ironbound.data import digits_claims
from ironbound.experiments import hrs_draws, hrs_pairs
from ironbound.experiments.context import Context
from ironbound.experiments.measure import alone, certified, largest, rules
from ironbound.experiments.registry import experiment

IMAGE = {"label": 1, "prediction": 1, "samples": 9, "frontier": [[0, 1.0]]}
TEXT = {"label": 1, "prediction": 1, "samples": 9, "frontier": [[0, 0.0], [1, 0.0], [2, 0.0], [3, None]]}
BOTH = {"label": 1, "prediction": 1, "samples": 9, "frontier": [[0, 0.8], [1, 0.4], [2, None], [3, None]]}
WRONG = {"label": 0, "prediction": 1, "samples": 9, "frontier": [[0, 2.0], [1, 2.0], [2, 2.0], [3, 2.0]]}


def context(folder: Path, **settings: Any) -> Context:
    found = experiment("mnist-claims")
    known = {**found.settings["smoke"], "task": "digits-claims", **settings}
    return Context("mnist-claims", known, found.published, folder)


def test_tables_count_right_and_certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"image": IMAGE, "tokens": TEXT, "both": BOTH}
    monkeypatch.setattr(hrs_pairs, "_rows", lambda context, problem, kind: [known[kind], WRONG])
    by_radius, by_budget, means = hrs_pairs.channels(context(tmp_path, radii=[0.0, 0.5, 0.9])).tables
    # A wrong answer counts for nothing, however far it is certified.
    assert by_radius.rows[0][1:] == (50.0, 50.0, 50.0)
    assert by_radius.rows[1][1:] == (50.0, 50.0, 0.0)
    assert by_radius.rows[2][1:] == (50.0, 0.0, 0.0)
    assert by_radius.rows[3][1:] == (0.0, 0.0, 0.0)
    assert [row[1:] for row in by_budget.rows] == [(50.0, 50.0, 50.0, 0.0), (50.0, 50.0, 0.0, 0.0)]
    assert [row[1] for row in means.rows] == [0.5, 0.4, 0.2, 1.0, 0.5]
    assert "of all 540 inputs" in by_radius.note
    assert (tmp_path / "mnist-claims.png").stat().st_size > 10_000


def test_one_channel_alone_is_certified_at_least_as_far() -> None:
    problem = digits_claims.load()
    sizes: dict[str, Any] = {"n": 500, "seed": 0}
    joint = certified(problem, 4, **sizes)
    found = {channel: alone(problem, channel, 4, **sizes) for channel in ("image", "tokens")}
    for channel, budgets in (("image", 1), ("tokens", digits_claims.MAX_D + 1)):
        assert [row["id"] for row in found[channel]] == [row["id"] for row in joint]
        assert all(len(row["frontier"]) == budgets for row in found[channel])
    # Less noise on inputs that are right: the text alone keeps as many changes as both channels do.
    assert sum(map(largest, found["tokens"])) >= sum(map(largest, joint))


def test_a_calibration_brings_the_whole_rule() -> None:
    problem = digits_claims.load()
    assert rules(problem) == {
        "class_names": digits_claims.CLASS_NAMES,
        "threshold": None,
        "positive": 1,
        "rivals": None,
    }


def test_early_stopping_is_compared_at_equal_budget(tmp_path: Path) -> None:
    found = experiment("budget-draws")
    given = Context("budget-draws", found.settings["smoke"], {}, tmp_path)
    result = hrs_draws.budgets(given)
    (table,) = result.tables
    assert [row[:2] for row in table.rows] == [("fixed", 200), ("fixed", 500), ("stopped early", 500)]
    for row in table.rows:
        assert float(row[2] or 0) <= int(row[1] or 0) + 100  # and 100 to select a class
        shares = [float(cell or 0) for cell in row[4:]]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) / 100 == pytest.approx(float(row[3] or 0))
    assert (tmp_path / "budgets.png").stat().st_size > 10_000
