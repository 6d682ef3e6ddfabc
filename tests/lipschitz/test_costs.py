"""Costs against counts by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ironbound.errors import InputError
from ironbound.lipschitz import (
    GroupSort,
    HyCASConfig,
    HyCASNet,
    LowPassDCT,
    Noise,
    OrthogonalMix,
    SpectralConv2d,
    SpectralLinear,
    cost,
    export_plain,
)


def test_counts_by_hand() -> None:
    net = nn.Sequential(
        SpectralConv2d(2, 4, 3),
        GroupSort(2),
        OrthogonalMix(4),
        LowPassDCT(4),
        nn.Flatten(),
        SpectralLinear(144, 3),
    )
    found = cost(net, (2, 6, 6))
    assert dict(found.by_type) == {
        "SpectralConv2d": 2 * 9 * 4 * 36,
        "OrthogonalMix": 4 * 4 * 36,
        "LowPassDCT": 4 * 36 * 25,
        "SpectralLinear": 144 * 3,
    }
    assert found.multiply_adds == sum(dict(found.by_type).values())
    assert found.parameters == 2 * 4 * 9 + 4 + 16 + 4 + 144 * 3 + 3
    assert found.uncounted == ()


def test_normalised_and_plain_layers_cost_the_same_and_strides_and_groups_count() -> None:
    layer = SpectralConv2d(4, 6, 3, stride=2)
    one, two = cost(layer, (4, 8, 8)).multiply_adds, cost(export_plain(layer), (4, 8, 8)).multiply_adds
    assert one == two == 4 * 9 * 6 * 16
    assert cost(nn.Conv2d(4, 6, 3, padding=1, groups=2), (4, 8, 8)).multiply_adds == 2 * 9 * 6 * 64


def test_the_network_costs_more_with_more_streams_and_nothing_is_left_out() -> None:
    full, single = (
        HyCASNet(HyCASConfig.preset("small", (1, 8, 8), 3, streams=s), noise=Noise(0))
        for s in (None, (("spectral",), ("spectral",)))
    )
    state = full.noise.state()
    found = cost(full.train(), (1, 8, 8))
    assert found.uncounted == ()
    assert found.multiply_adds > 1.5 * cost(single, (1, 8, 8)).multiply_adds
    assert full.training
    assert full.noise.state() == state


def test_what_is_not_counted_is_named() -> None:
    assert cost(nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3)), (3,)).uncounted == ("LayerNorm",)
    with pytest.raises(InputError, match="input_shape must be"):
        cost(nn.Linear(3, 3), ())
    assert torch.is_grad_enabled()
