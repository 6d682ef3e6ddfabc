"""Bounds that hold for every input size; streams of noise; weights folded for evaluation."""

from __future__ import annotations

import copy
import math
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ironbound.errors import InputError
from ironbound.lipschitz import (
    RANI,
    GroupSort,
    Noise,
    OrthogonalMix,
    SpectralConv2d,
    SpectralLinear,
    aol_scale,
    bound,
    export_plain,
)
from ironbound.lipschitz.kernels import rounding_room, torus_norm_bound, weighted_norm_bound


def norm_on_the_torus(weight: torch.Tensor) -> float:
    """Largest symbol norm on a grid too fine to miss much: an oracle from below."""
    transformed = torch.fft.fft2(weight, s=(96, 96)).permute(2, 3, 0, 1)
    return float(torch.linalg.svdvals(transformed)[..., 0].max())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 3, 5]), st.sampled_from([12, 16, 32]), st.booleans())
def test_the_coarse_grid_bound_is_above_every_frequency(seed: int, size: int, grid: int, ones: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(3, 2, size, size, generator=generator, dtype=torch.float64)
    if ones:
        weight = weight.sign()
    truth = norm_on_the_torus(weight)
    found = float(torus_norm_bound(weight, grid=grid, steps=6))
    assert found >= truth * (1 - 1e-13)
    loose = math.cos(math.pi * (size - 1) / grid) ** -1 if size > 1 else 1.0
    assert found <= truth * loose * 2 ** (1 / 128) * 1.001


def test_the_price_of_the_grid_is_needed() -> None:
    """A kernel whose worst frequency lies between the points of the grid: without the price, too small."""
    found, price = 0.0, math.cos(math.pi * 4 / 12) ** -1
    for shift in torch.linspace(math.pi / 2, math.pi * 2 / 3, 7):
        taps = torch.tensor([math.cos(float(shift) * k) for k in (-2, -1, 0, 1, 2)], dtype=torch.float64)
        kernel = (taps[:, None] * taps)[None, None]
        bare = float(torus_norm_bound(kernel, grid=12, steps=6)) / price
        found = max(found, norm_on_the_torus(kernel) / bare)
    assert 1.1 < found < price


def test_bounds_are_batched_and_differentiable() -> None:
    weight = torch.randn(4, 3, 2, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    together = torus_norm_bound(weight)
    for one, joint in zip(weight, together, strict=True):
        assert float(torus_norm_bound(one)) == pytest.approx(float(joint), rel=1e-12)
    small = weight[0].clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda w: torus_norm_bound(w, grid=6, steps=3), small)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0, 1, 3]))
def test_any_positive_weights_bound_the_norm_and_those_of_aol_give_1(seed: int, size: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    shape = (4, 3, size, size) if size else (4, 3)
    weight = torch.randn(shape, generator=generator, dtype=torch.float64)
    truth = norm_on_the_torus(weight) if size else float(torch.linalg.matrix_norm(weight, ord=2))
    assert weighted_norm_bound(weight, torch.rand(3, generator=generator) + 0.1) >= truth
    scale = aol_scale(weight)
    rescaled = weight * (scale[:, None, None] if size else scale)
    assert 1.0 <= weighted_norm_bound(rescaled, 1 / scale) <= 1.0 + 1e-10


def test_bad_grids_and_weights_are_named() -> None:
    with pytest.raises(InputError, match="grid must be more than 4 points"):
        torus_norm_bound(torch.ones(1, 1, 3, 3), grid=4)
    with pytest.raises(InputError, match="weight must be of shape"):
        torus_norm_bound(torch.ones(3, 3))
    with pytest.raises(InputError, match="weights must be positive"):
        weighted_norm_bound(torch.ones(2, 2), torch.zeros(2))


def test_the_room_for_rounding_covers_storing_in_float32() -> None:
    generator = torch.Generator().manual_seed(0)
    for shape in ((16, 16, 3, 3), (8, 32, 1, 1), (24, 24)):
        weight = torch.randn(shape, generator=generator, dtype=torch.float64)
        change = weight.float().double() - weight
        if len(shape) == 2:
            moved, norm = (float(torch.linalg.matrix_norm(w, ord=2)) for w in (change, weight))
        else:
            moved, norm = norm_on_the_torus(change), norm_on_the_torus(weight)
        assert moved <= rounding_room(shape) * torch.finfo(torch.float32).eps * norm


def test_training_is_differentiable_and_evaluation_follows_every_change_of_the_weights() -> None:
    layer = SpectralConv2d(2, 2, generator=torch.Generator().manual_seed(0))
    x = torch.randn(1, 2, 5, 5, generator=torch.Generator().manual_seed(1))
    layer(x).square().sum().backward()
    assert layer.raw.grad is not None
    assert float(layer.raw.grad.norm()) > 0
    before = layer.eval()(x)
    assert layer.weight is layer.weight
    assert torch.allclose(before, layer.train()(x), atol=1e-4)
    torch.optim.SGD(layer.parameters(), lr=0.5).step()
    after = layer.eval()(x)
    assert not torch.allclose(before, after, atol=1e-3)
    fresh = SpectralConv2d(2, 2).eval()
    fresh(x)
    fresh.load_state_dict(layer.state_dict())
    assert torch.equal(fresh(x), after)
    assert layer.double().weight.dtype == torch.float64


@pytest.mark.parametrize("mode", ["zeros", "circular"])
def test_the_plain_export_gives_the_same_numbers(mode: str) -> None:
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(
        SpectralConv2d(3, 4, 3, padding_mode=mode, generator=generator),  # pyright: ignore[reportArgumentType]
        GroupSort(2),
        nn.Sequential(
            OrthogonalMix(4, generator=generator), SpectralConv2d(4, 2, 1, bias=False, method="gram")
        ),
        RANI(2, noise=Noise(0), generator=generator),
        nn.Flatten(),
        SpectralLinear(2 * 6 * 6, 3, generator=generator),
    ).train()
    plain = export_plain(network)
    x = torch.randn(4, 3, 6, 6, generator=generator)
    assert torch.equal(plain(x), network.eval()(x))
    kinds = {type(part).__name__ for part in plain.modules()}
    assert not kinds & {"SpectralConv2d", "SpectralLinear", "OrthogonalMix"}
    assert bound(plain, (3, 6, 6)).value <= 1.02
    assert any(isinstance(part, SpectralLinear) for part in network.modules())


def test_noise_can_be_copied_saved_and_resumed() -> None:
    noise = Noise(5)
    layer = RANI(3, noise=noise)
    x = torch.ones(2, 3, 4, 4)
    layer(x)
    state = noise.state()
    expected = [layer(x), layer(x)]
    noise.restore(state)
    twin = copy.deepcopy(layer)
    assert twin.noise is not noise
    assert torch.equal(layer(x), expected[0])
    assert torch.equal(twin(x), expected[0])
    assert torch.equal(twin(x), expected[1])
    noise.restore(pickle.loads(pickle.dumps(noise)).state())
    assert torch.equal(layer(x), expected[1])
    noise.reseed(6)
    assert not torch.equal(layer(x), expected[0])
    with pytest.raises(InputError, match="state must be of a source with 0"):
        Noise(0).restore(state)


def test_the_ledger_leaves_the_streams_where_they_were() -> None:
    noise = Noise(5)
    network = nn.Sequential(RANI(3, noise=noise), nn.Flatten()).eval()
    x = torch.ones(2, 3, 4, 4)
    state = noise.state()
    expected = network(x)
    noise.restore(state)
    bound(network, (3, 4, 4))
    assert torch.equal(network(x), expected)


def test_layers_own_their_streams() -> None:
    """One more draw in one layer moves no draw of another; two layers never repeat each other."""
    noise, again = Noise(0), Noise(0)
    one, two = noise.register(), noise.register()
    assert [again.register(), again.register()] == [one, two]
    like = torch.zeros(1)
    noise.normal(one, (3,), like)
    noise.normal(one, (3,), like)
    first, second = noise.normal(two, (3,), like), again.normal(one, (3,), like)
    assert torch.equal(first, again.normal(two, (3,), like))
    assert not torch.equal(first, second)
    with pytest.raises(InputError, match="site must be"):
        noise.normal(2, (3,), like)
