"""The network: its bound at every depth and mode, its randomness, its shapes, and that it learns."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from lipschitz_search import largest_ratio
from sklearn.datasets import load_digits
from torch import Tensor, nn

from ironbound.errors import InputError
from ironbound.lipschitz import (
    RANI,
    HyCASConfig,
    HyCASNet,
    Noise,
    RandomProjectionConv2d,
    blocks_for_depth,
    bound,
    export_plain,
)
from ironbound.lipschitz.noise import draws_are_independent


def network(config: HyCASConfig, rough: float = 0.0) -> HyCASNet:
    generator = torch.Generator().manual_seed(0)
    built = HyCASNet(config, noise=Noise(0), generator=generator)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(torch.empty_like(parameter).normal_(0.0, rough, generator=generator))
    return built.eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("gate", ["stream", "channel"])
@pytest.mark.parametrize("depth", [4, 8, 18])
def test_the_normalized_mode_is_at_most_2_lipschitz_at_every_depth(
    depth: int, gate: Any, dtype: torch.dtype
) -> None:
    config = HyCASConfig((1, 8, 8), 10, width=8, blocks=blocks_for_depth(depth), gate=gate)
    assert config.depth == depth
    net = network(config, rough=0.2).to(dtype)
    assert bound(net, config.input_shape).value <= 2.0


def test_the_residual_mode_pays_a_factor_for_every_injection() -> None:
    values = []
    for depth in (4, 8, 18):
        config = HyCASConfig((1, 8, 8), 10, width=8, blocks=blocks_for_depth(depth), mode="residual")
        found = bound(network(config), config.input_shape)
        values.append(found.value)
        assert "I + D, mask in [0, 1]" in found.derivation
    assert 2.0 < values[0] < values[1] / 10 < values[2] / 1000
    without = HyCASConfig((1, 8, 8), 10, width=8, blocks=(1,), mode="residual", gate_noise=False)
    assert 1.5 < bound(network(without), (1, 8, 8)).value < values[0] / 2


@pytest.mark.parametrize("mode", ["normalized", "residual"])
@pytest.mark.parametrize("gate", ["stream", "channel"])
def test_no_search_breaks_the_bound_of_the_whole_network(mode: Any, gate: Any) -> None:
    config = HyCASConfig.preset("tiny", (1, 6, 6), 3, mode=mode, gate=gate)
    net = network(config, rough=0.1).double()
    value = bound(net, config.input_shape).value
    for draw in range(2):
        with net.noise.frozen(draw):
            found = largest_ratio(net, config.input_shape, starts=8, steps=30)
        assert 0.005 * value < found <= value * (1 + 1e-9)


def test_the_bound_holds_for_the_mean_over_internal_draws() -> None:
    config = HyCASConfig.preset("tiny", (1, 6, 6), 3)
    net = network(config).double()
    value = bound(net, config.input_shape).value
    x, y = torch.randn(2, 1, 1, 6, 6, generator=torch.Generator().manual_seed(1)).double().unbind(0)
    with torch.no_grad():
        state = net.noise.state()
        first = net(x.expand(64, -1, -1, -1)).mean(dim=0)
        net.noise.restore(state)
        second = net(y.expand(64, -1, -1, -1)).mean(dim=0)
    assert float((first - second).norm()) <= value * float((x - y).norm())


def test_streams_follow_the_stages() -> None:
    net = network(HyCASConfig((1, 16, 16), 2, width=4, blocks=(1, 1, 1, 1)))
    names = {name for name, _ in net.features.named_modules()}
    for stage, (frequency, projection) in enumerate([(1, 1), (1, 1), (0, 1), (0, 0)], start=1):
        stem = f"stage{stage}_1.residual.body.first.streams.streams"
        assert f"{stem}.spectral" in names
        assert (f"{stem}.frequency" in names) == bool(frequency)
        assert (f"{stem}.projection" in names) == bool(projection)


def test_one_stream_alone_answers_and_has_a_bound_of_its_own() -> None:
    net = network(HyCASConfig.preset("tiny", (1, 6, 6), 3, gate_noise=False), rough=0.1)
    x = torch.randn(2, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    values = {}
    with net.noise.frozen(0), torch.no_grad():
        together = net(x)
        for stream in ("spectral", "frequency", "projection"):
            with net.only(stream):
                values[stream] = bound(net, (1, 6, 6)).value
                assert "one stream alone" in bound(net, (1, 6, 6)).derivation
                assert not torch.allclose(net(x), together, atol=1e-4)
        assert torch.equal(net(x), together)
    assert len(set(values.values())) == 3
    assert all(value <= 2 for value in values.values())
    lacking = network(HyCASConfig.preset("tiny", (1, 6, 6), 3, streams=(("spectral",),)))
    with lacking.noise.frozen(0), torch.no_grad(), lacking.only("projection"):
        alone = lacking(x)
        with lacking.only("spectral"):
            assert torch.equal(lacking(x), alone)
    with pytest.raises(InputError, match="stream must be one of"), net.only("temporal"):  # pyright: ignore[reportArgumentType]
        pass


def test_ablations_drop_streams_and_randomness() -> None:
    config = HyCASConfig.preset("small", (1, 8, 8), 2, streams=(("spectral",), ("frequency",)))
    net = network(config)
    assert not [part for part in net.modules() if isinstance(part, RandomProjectionConv2d)]
    quiet = HyCASConfig.preset("tiny", (1, 8, 8), 2, gate_noise=False, spatial=False)
    loud = HyCASConfig.preset("tiny", (1, 8, 8), 2)
    count = [sum(isinstance(p, RANI) for p in network(c).modules()) for c in (quiet, loud)]
    assert count == [6, 8]


@pytest.mark.parametrize("pool", ["sum", "flatten"])
@pytest.mark.parametrize("shape", [(1, 7, 9), (3, 8, 8), (2, 1, 5)])
def test_any_image_size_works(shape: tuple[int, int, int], pool: Any) -> None:
    config = HyCASConfig(shape, 4, width=4, blocks=(1, 1, 1), pool=pool)
    net = network(config)
    assert tuple(net(torch.zeros(3, *shape)).shape) == (3, 4)
    assert bound(net, shape).value <= 2.0
    assert net.readout().shape[1] == math.prod(config.feature_shape if pool == "flatten" else (16,))


def test_the_logits_are_fresh_per_forward_and_per_row_as_recorded() -> None:
    x = torch.ones(3, 1, 6, 6)
    for draws in ("sample", "batch"):
        config = HyCASConfig.preset("tiny", (1, 6, 6), 3, draws=draws)
        net = network(config)
        with torch.no_grad():
            first, second = net(x), net(x)
        assert not torch.equal(first, second)
        assert torch.allclose(first[0], first[1], atol=1e-6) == (draws == "batch")
        assert draws_are_independent(net) == (draws == "sample")
        assert config.record()["draws"] == draws


def test_the_same_seeds_give_the_same_network_and_logits() -> None:
    config = HyCASConfig.preset("tiny", (1, 6, 6), 3)
    x = torch.ones(2, 1, 6, 6)
    assert torch.equal(network(config)(x), network(config)(x))


def test_the_plain_export_draws_and_computes_the_same() -> None:
    net = network(HyCASConfig.preset("tiny", (1, 6, 6), 3))
    plain = export_plain(net)
    x = torch.randn(4, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    assert torch.equal(plain(x), net(x))


def test_a_small_preset_learns_digits_with_fresh_noise_in_every_step() -> None:
    digits = cast(Any, load_digits())
    images = torch.tensor(digits.data / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    labels = torch.tensor(digits.target)
    generator = torch.Generator().manual_seed(0)
    config = HyCASConfig.preset("tiny", (1, 8, 8), 10)
    net = HyCASNet(config, noise=Noise(0), generator=generator)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(60):
        chosen = torch.randint(0, 1500, (64,), generator=generator)
        loss = nn.functional.cross_entropy(32 * net(images[chosen]), labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in net.parameters())
    net.eval()
    with torch.no_grad():
        right = net(images[1500:]).argmax(dim=1) == labels[1500:]
    assert float(right.float().mean()) > 0.6
    assert bound(net, config.input_shape).value <= 2.0


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: HyCASConfig((1, 8), 2), "input_shape must be"),  # pyright: ignore[reportArgumentType]
        (lambda: HyCASConfig((1, 8, 8), 1), "classes must be"),
        (lambda: HyCASConfig((1, 8, 8), 2, width=6), "width must be a multiple of 4"),
        (lambda: HyCASConfig((1, 8, 8), 2, blocks=()), "blocks must be"),
        (lambda: HyCASConfig((1, 8, 8), 2, blocks=(1,), streams=()), "streams must be one tuple for each"),
        (lambda: HyCASConfig((1, 8, 8), 2, blocks=(1,), streams=((),)), "streams must be some of"),
        (lambda: HyCASConfig((1, 8, 8), 2, gate="pixel"), "gate must be"),  # pyright: ignore[reportArgumentType]
        (lambda: HyCASConfig((1, 8, 8), 2, pool="max"), "pool must be"),  # pyright: ignore[reportArgumentType]
        (lambda: HyCASConfig((1, 8, 8), 2, draws="pixel"), "draws must be"),  # pyright: ignore[reportArgumentType]
        (lambda: HyCASConfig.preset("huge", (1, 8, 8), 2), "name must be one of"),  # pyright: ignore[reportArgumentType]
        (lambda: HyCASConfig.preset("tiny", (1, 8, 8), 2, depth=4), "changes must be fields among"),
        (lambda: blocks_for_depth(5), "depth must be even"),
    ],
)
def test_a_configuration_that_cannot_be_built_is_refused_by_name(
    build: Callable[[], Tensor], named: str
) -> None:
    with pytest.raises(InputError, match=named):
        build()
