"""Norm bounds lie above the operator norm of the explicit matrix, and close to it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ironbound.errors import InputError
from ironbound.lipschitz import aol_scale, conv2d_norm_bound, dense_norm_bound, gram_norm_bound


def explicit_norm(layer: nn.Module, shape: tuple[int, ...]) -> float:
    """Push every basis vector through the layer and decompose the matrix: slow and independent."""
    basis = torch.eye(math.prod(shape), dtype=torch.float64).reshape(-1, *shape)
    with torch.no_grad():
        columns = layer(basis).flatten(1)
    return float(torch.linalg.svdvals(columns)[0])


def convolution(
    weight: Tensor, mode: Literal["zeros", "circular"], stride: int, dilation: int, groups: int
) -> nn.Conv2d:
    size = weight.shape[2]
    layer = nn.Conv2d(
        weight.shape[1] * groups,
        weight.shape[0],
        size,
        stride=stride,
        dilation=dilation,
        groups=groups,
        bias=False,
        padding=dilation * (size - 1) // 2,
        padding_mode=mode,
        dtype=torch.float64,
    )
    with torch.no_grad():
        layer.weight.copy_(weight)
    return layer


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    channels=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    kernel=st.sampled_from([1, 3, 5]),
    size=st.integers(5, 8),
    mode=st.sampled_from(["zeros", "circular"]),
    stride=st.sampled_from([1, 2]),
    dilation=st.sampled_from([1, 2]),
    groups=st.sampled_from([1, 2]),
)
def test_the_bound_is_never_below_the_explicit_matrix(
    seed: int,
    channels: tuple[int, int],
    kernel: int,
    size: int,
    mode: Literal["zeros", "circular"],
    stride: int,
    dilation: int,
    groups: int,
) -> None:
    if mode == "circular" and dilation * (kernel - 1) // 2 > size:
        dilation = 1  # torch pads circularly by at most the size of the input
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(
        channels[0] * groups, channels[1], kernel, kernel, generator=generator, dtype=torch.float64
    )
    layer = convolution(weight, mode, stride, dilation, groups)
    truth = explicit_norm(layer, (channels[1] * groups, size, size))
    padding = "circular" if mode == "circular" else "same"
    bound = conv2d_norm_bound(weight, size, padding=padding, stride=stride, dilation=dilation, groups=groups)
    assert bound >= truth
    if mode == "circular" and stride == 1:
        assert bound <= truth * (1 + 1e-9)


@pytest.mark.parametrize("kind", ["flat spectrum", "one direction wins", "zero", "huge", "tiny"])
def test_the_fast_search_over_frequencies_is_above_and_within_one_percent(kind: str) -> None:
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(48, 32, 3, 3, generator=generator, dtype=torch.float64)
    if kind == "one direction wins":
        weight = weight * 0.01 + torch.ones_like(weight)
    weight = weight * {"zero": 0.0, "huge": 1e150, "tiny": 1e-150}.get(kind, 1.0)
    truth = float(torch.linalg.svdvals(torch.fft.fft2(weight, s=(16, 16)).permute(2, 3, 0, 1))[..., 0].max())
    bound = conv2d_norm_bound(weight, 16, padding="circular")
    assert truth <= bound <= truth * 1.01


def test_zero_padding_needs_the_larger_grid() -> None:
    """The kernel [1, 0, -1] on six pixels: circular 1.732, zero padding 1.802 (math notes, section 3)."""
    kernel = torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64).reshape(1, 1, 1, 3)
    layer = nn.Conv2d(1, 1, (1, 3), padding=(0, 1), bias=False, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(kernel)
    truth = explicit_norm(layer, (1, 1, 6))
    assert truth == pytest.approx(1.8019377, abs=1e-6)
    assert conv2d_norm_bound(kernel, (1, 6), padding="circular") < truth
    assert truth <= conv2d_norm_bound(kernel, (1, 6), padding="same") <= 2.0 * (1 + 1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 12), st.floats(-100, 100))
def test_gram_iteration_decreases_to_the_norm(seed: int, rows: int, columns: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(rows, columns, generator=generator, dtype=torch.float64) * 10.0**scale
    truth = float(torch.linalg.matrix_norm(matrix, ord=2))
    bounds = [float(gram_norm_bound(matrix, steps)) for steps in (1, 2, 4, 6, 8)]
    assert all(b >= truth * (1 - 1e-12) for b in bounds)
    assert all(one >= two * (1 - 1e-12) for one, two in pairwise(bounds))
    assert bounds[3] <= truth * min(rows, columns) ** (1 / 128) * (1 + 1e-12)
    assert dense_norm_bound(matrix) >= truth


def test_gram_iteration_is_differentiable() -> None:
    matrix = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrix.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda w: gram_norm_bound(w, 5), matrix)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 3]), st.integers(3, 7))
def test_aol_makes_any_layer_non_expansive(seed: int, kernel: int, size: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    dense = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    assert float(torch.linalg.matrix_norm(dense * aol_scale(dense), ord=2)) <= 1 + 1e-12
    weight = torch.randn(3, 2, kernel, kernel, generator=generator, dtype=torch.float64)
    scaled = weight * aol_scale(weight)[None, :, None, None]
    modes: tuple[Literal["zeros"], Literal["circular"]] = ("zeros", "circular")
    for mode in modes:
        assert explicit_norm(convolution(scaled, mode, 1, 1, 1), (2, size, size)) <= 1 + 1e-12


@pytest.mark.parametrize(
    ("keywords", "named"),
    [
        ({"padding": "reflect"}, "padding must be"),
        ({"stride": 0}, "stride must be"),
        ({"groups": 2}, "groups must be a divisor of the 3 output channels"),
        ({"input_size": 0}, "input_size must be"),
    ],
)
def test_bad_options_are_named(keywords: dict[str, object], named: str) -> None:
    options: dict[str, object] = {"input_size": 8, **keywords}
    with pytest.raises(InputError, match=named):
        conv2d_norm_bound(torch.ones(3, 2, 3, 3), **options)  # pyright: ignore[reportArgumentType]


def test_bad_weights_are_named() -> None:
    with pytest.raises(InputError, match="weight must be finite"):
        dense_norm_bound(torch.tensor([[math.nan]]))
    with pytest.raises(InputError, match="4 dimensions"):
        conv2d_norm_bound(torch.ones(3, 3), 8)
