"""The pattern of the HyCAS experiments, on networks that are hardly trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ironbound.data import sets
from ironbound.errors import InputError
from ironbound.experiments import hycas_images
from ironbound.experiments.context import Context

TINY: dict[str, Any] = {
    "data": "pneumonia",
    "certified": ["RS:votes", "HyCAS:votes", "HyCAS:expected", "HyCAS:ramp"],
    "attacked": [],
    "images": 2,
    "attacked_images": 2,
    "draws": 60,
    "alpha": 0.05,
    "radii": [0.0, 0.5],
    "plot": [0.0, 0.5],
    "eps": [8],
    "eot": 1,
    "attack_steps": 1,
    "notes": [],
    "networks": {
        "RS": {"network": "plain", "steps": 2, "batch": 8, "width": 8, "blocks": [1], "auxiliary": 0.0},
        "HyCAS": {"steps": 2, "batch": 8, "width": 8, "blocks": [1], "fold": 4},
    },
}


def test_a_row_is_one_classifier_and_no_row_is_a_maximum(tmp_path: Path) -> None:
    try:
        sets.pneumonia("val")
    except InputError as error:
        pytest.skip(str(error))
    context = Context("tiny", TINY, {}, tmp_path)
    result = hycas_images.figure(context)
    first, costs = result.tables
    assert [str(row[0]) for row in first.rows] == [
        f"{name}, {hycas_images.NAMES[kind]}"
        for name, kind in (("RS", "votes"), ("HyCAS", "votes"), ("HyCAS", "expected"), ("HyCAS", "ramp"))
    ]
    assert costs.rows[0][3] is None
    assert 0.0 < float(costs.rows[1][3] or 0.0) <= 2.0
    assert (tmp_path / "hycas-pneumonia.png").stat().st_size > 1000
    # The same call again reads everything.
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("pieces/*.json")}
    assert len(before) == 4
    assert hycas_images.figure(context).tables[0].rows == first.rows
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("pieces/*.json")} == before


def test_what_attacks_see_is_fresh_noise_of_the_trained_size() -> None:
    model = hycas_images.Noisy(torch.nn.Identity(), 0.5, seed=0)
    first, second = model(torch.zeros(1, 1, 50, 50)), model(torch.zeros(1, 1, 50, 50))
    assert not torch.equal(first, second)
    assert 0.47 < float(first.std()) < 0.53
