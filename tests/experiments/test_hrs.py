"""What the experiments on filters report, from frontiers that are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ironbound.data.registry import data_folder
from ironbound.experiments import hrs_filter, hrs_nlvr, hrs_prompt
from ironbound.experiments.context import Context
from ironbound.experiments.registry import experiment
from ironbound.experiments.result import Result, Table

FLAGGED = {"prediction": 1, "samples": 100, "frontier": [[0, 2.0], [1, 1.0], [2, 0.5], [3, None]]}
BARELY = {"prediction": 1, "samples": 300, "frontier": [[0, 1.0], [1, None], [2, None], [3, None]]}
MISSED = {"prediction": None, "samples": 200, "frontier": [[0, None], [1, None], [2, None], [3, None]]}


def context(name: str, folder: Path) -> Context:
    found = experiment(name)
    return Context(name, found.settings["smoke"], found.published, folder)


@pytest.fixture
def known_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    def rows(context: Context, change: Any, *, sampling: str = "shared") -> list[dict[str, Any]]:
        return [FLAGGED, BARELY, MISSED, MISSED]

    def calibration(context: Context, kinds: Any) -> Table:
        return Table("calibration", ("noised",), (("both",),))

    monkeypatch.setattr(hrs_filter, "_rows", rows)
    monkeypatch.setattr(hrs_filter, "_calibration", calibration)


def cells(result: Result) -> dict[Any, tuple[Any, ...]]:
    return {row[0]: row[1:] for row in result.tables[0].rows}


@pytest.mark.usefixtures("known_rows")
def test_means_count_what_is_not_certified_as_zero(tmp_path: Path) -> None:
    found = cells(hrs_filter.means(context("filter-means", tmp_path)))
    assert found["image-only radius, d = 0"] == (0.75, 3.99)  # (2 + 1 + 0 + 0) / 4
    assert found["hybrid radius, d = 1"] == (0.25, 3.76)
    assert found["hybrid budget"] == (0.5, 3.07)  # (2 + 0 + 0 + 0) / 4


@pytest.mark.usefixtures("known_rows")
def test_the_sweep_speaks_of_the_certified_pairs(tmp_path: Path) -> None:
    result = hrs_filter.beta_sweep(context("filter-beta", tmp_path))
    # One pair in four is certified at d >= 1: its d_max is 2, its radius there 0.5.
    assert cells(result)[0.25] == (25.0, 70.59, 2.0, 3.07, 0.5, 3.21)
    assert (tmp_path / "beta.png").stat().st_size > 10_000


@pytest.mark.usefixtures("known_rows")
@pytest.mark.parametrize(
    ("name", "run", "first"),
    [
        ("filter-sigma", hrs_filter.sigmas, (25.0, 0.5, 0.75, 0.25, 0.125)),
        ("filter-sampling", hrs_filter.sampling, (200.0, 0.5, 0.25, 0.125, 0.0, 0.0)),
        ("filter-anywhere", hrs_filter.anywhere, (0.5, 3.26, 0.5, 3.07)),
    ],
)
def test_the_other_tables(
    name: str, run: Callable[[Context], Result], first: tuple[float, ...], tmp_path: Path
) -> None:
    assert run(context(name, tmp_path)).tables[0].rows[0][1:] == first


def test_the_prompt_filter_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if data_folder("text") is None:
        pytest.skip("text is not in IRONBOUND_DATA")
    pytest.importorskip("tokenizers")
    monkeypatch.setenv("IRONBOUND_CACHE", str(tmp_path))
    monkeypatch.setattr(
        hrs_prompt.prompt_filter, "SETTINGS", hrs_prompt.prompt_filter.SETTINGS | {"steps": 200}
    )
    given = context("prompt-filter", tmp_path)
    quick = Context(given.name, {**given.settings, "betas": [0.25]}, {}, tmp_path)
    rows = hrs_prompt.budgets(quick).tables[0].rows
    assert [row[1] for row in rows] == ["closed", "open"]
    for row in rows:
        shares = [float(cell or 0) for cell in (row[3], *row[5:])]
        assert shares == sorted(shares, reverse=True)  # a larger budget is never certified more often
    # What holds against any token holds against the tokens of the noise.
    assert all(float(c or 0) >= float(o or 0) for c, o in zip(rows[0][3:], rows[1][3:], strict=True))


def test_nlvr_is_split_by_picture(tmp_path: Path) -> None:
    if data_folder("multimodal") is None:
        pytest.skip("multimodal is not in IRONBOUND_DATA")
    result = hrs_nlvr.majority(context("nlvr", tmp_path))
    (table,) = result.tables
    assert "5910 pairs of 985 pictures" in table.note
    for _, accuracy, low, high, base in table.rows:
        assert float(low or 0) < float(accuracy or 0) < float(high or 0)
        assert abs(float(base or 0) - 55.43) < 0.01
