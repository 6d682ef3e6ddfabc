"""The experiment on AutoAttack: rows are a list, whatever trained them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ironbound.data import sets
from ironbound.errors import ConfigError, InputError
from ironbound.experiments import autoattack
from ironbound.experiments.context import Context
from ironbound.training.data import pictures
from ironbound.training.loop import train
from ironbound.training.recipe import Recipe

LITTLE: dict[str, Any] = {
    "network": "plain",
    "steps": 2,
    "batch": 8,
    "width": 8,
    "blocks": [1],
    "auxiliary": 0.0,
}
TINY: dict[str, Any] = {
    "data": "pneumonia",
    "images": 2,
    "eps": [8],
    "steps": 1,
    "eot": 2,
    "checked": ["bare"],
    "curved": ["bare"],
    "checked_images": 2,
    "checked_eps": 8,
    "surrogate": "bare",
    "curve_images": 2,
    "curve_eps": [8],
    "curve_steps": [1],
    "notes": [],
    "networks": [{"name": "bare", "recipe": {**LITTLE, "sigma": 0.0}}],
}


def test_a_row_is_added_by_a_folder_and_only_what_is_new_is_measured(tmp_path: Path) -> None:
    pytest.importorskip("art")
    try:
        sets.pneumonia("val")
    except InputError as error:
        pytest.skip(str(error))
    first = autoattack.figure(Context("tiny", TINY, {}, tmp_path))
    assert first.tables[0].rows[0][0] == "bare"
    assert (tmp_path / "autoattack.png").stat().st_size > 1000
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "pieces").iterdir()}
    recipe = Recipe(name="elsewhere").changed(**LITTLE)
    train(recipe, pictures(recipe), tmp_path / "elsewhere")
    both: dict[str, Any] = {"checked": ["bare", "noisy"], "curved": ["noisy"]}
    more = {
        **TINY,
        **both,
        "networks": [*TINY["networks"], {"name": "noisy", "folder": str(tmp_path / "elsewhere")}],
    }
    second = autoattack.figure(Context("tiny", more, {}, tmp_path))
    assert len(before) == 3
    assert {path: path.stat().st_mtime_ns for path in before} == before
    main, trust, curve = second.tables
    assert [row[0] for row in main.rows] == ["bare", "noisy"]
    assert "sigma 0.5" in str(main.rows[1][1])
    assert main.rows[0] == first.tables[0].rows[0]
    assert (trust.rows[0][4], trust.rows[1][4]) != (None, None)  # a network is no surrogate of itself
    assert trust.rows[0][4] is None
    assert all(0.0 <= float(cell or 0.0) <= 100.0 for row in curve.rows for cell in row[1:])
    # Attacks never raise accuracy, and the ensemble is at least as strong as its own clean pass.
    assert all(float(row[3] or 0.0) <= float(row[2] or 0.0) for row in main.rows)


def test_unknown_keys_of_a_row_are_named(tmp_path: Path) -> None:
    wrong = {**TINY, "networks": [{"name": "bare", "preste": "pneumonia-plain-small"}]}
    with pytest.raises(ConfigError, match="preste"):
        autoattack.figure(Context("tiny", wrong, {}, tmp_path))
