"""The experiment on adaptive smoothing, hardly trained; and the torch side of its masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ironbound.channels import AdaptiveGaussian
from ironbound.data import sets
from ironbound.errors import InputError, InputTypeError
from ironbound.experiments import ars
from ironbound.experiments.context import Context
from ironbound.smoothing.adaptive import TorchMask, released

TINY: dict[str, Any] = {
    "data": "pneumonia",
    "sigma": 0.5,
    "share": 0.25,
    "mask_width": 4,
    "steps": 2,
    "batch": 8,
    "rate": 1e-3,
    "images": 2,
    "draws": 60,
    "alpha": 0.05,
    "radii": [0.0, 0.5],
    "levels": [0, 4],
    "notes": [],
    "rows": {"RS": "plain", "ARS l2": "l2", "ARS linf": "linf"},
}


def test_each_norm_has_its_rows_and_all_is_read_back(tmp_path: Path) -> None:
    try:
        sets.pneumonia("val")
    except InputError as error:
        pytest.skip(str(error))
    context = Context("tiny", TINY, {}, tmp_path)
    result = ars.figure(context)
    first, second, costs = result.tables
    assert [row[0] for row in first.rows] == ["RS", "ARS l2"]
    assert [row[0] for row in second.rows] == ["RS", "ARS linf"]
    # A mask can only add noise in the 2-norm.
    assert float(costs.rows[1][3] or 0.0) >= 1.0
    assert all((tmp_path / name).stat().st_size > 1000 for name in result.figures)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("**/*.json")}
    before |= {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.safetensors")}
    assert len(before) == 6
    assert ars.figure(context).tables[1].rows == second.rows
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_what_is_trained_on_is_what_the_channel_shows(norm: str) -> None:
    net = torch.nn.Conv2d(1, 1, 3, padding=1)
    with torch.no_grad():
        net.weight.copy_(torch.linspace(-1, 1, 9).reshape(1, 1, 3, 3))
    channel = AdaptiveGaussian(1.0, 0.5, TorchMask(net), "net", norm, 9)  # type: ignore[arg-type]
    x = np.linspace(0, 1, 9, dtype=np.float32).reshape(1, 3, 3)
    count = 40_000
    one = channel.sample(x, np.random.default_rng(0), count)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        other = released(torch.from_numpy(x).expand(count, -1, -1, -1), net, channel, generator).numpy()
    assert np.abs(one.mean(axis=0) - other.mean(axis=0)).max() < 0.02
    assert np.abs(one.std(axis=0) / other.std(axis=0) - 1.0).max() < 0.02
    assert np.abs(one.mean(axis=0) - x).max() < 0.02  # both are unbiased


def test_masks_are_equal_when_their_weights_are() -> None:
    first, same, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    same.load_state_dict(first.state_dict())
    assert TorchMask(first) == TorchMask(same)
    assert hash(TorchMask(first)) == hash(TorchMask(same))
    assert TorchMask(first) != TorchMask(other)
    with pytest.raises(InputTypeError, match="torch"):
        TorchMask(np.ones_like)  # type: ignore[arg-type]


def test_a_mask_network_with_batch_normalisation_treats_rows_alone() -> None:
    net = torch.nn.Sequential(torch.nn.BatchNorm1d(3)).train()
    channel = AdaptiveGaussian(1.0, 0.5, TorchMask(net), "net", "linf", 3)
    assert channel.sample(np.zeros(3), np.random.default_rng(0), 50).shape == (50, 3)
    assert net.training
