"""Every layer survives the search for a violation of its rule, at several fixed internal draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from lipschitz_search import largest_ratio
from torch import Tensor, nn

from ironbound.errors import InputError
from ironbound.lipschitz import (
    RANI,
    ConvexResidual,
    GroupSort,
    LowPassDCT,
    Noise,
    OrthogonalMix,
    PixelSum,
    RandomProjectionConv2d,
    Scale,
    SpectralConv2d,
    SpectralLinear,
    StreamGate,
    Streams,
    bound,
)
from ironbound.lipschitz.ledger import Shape
from ironbound.lipschitz.noise import draws_are_independent

Build = Callable[[Noise], nn.Module]
Case = tuple[str, Build, Shape, float]


def roughened(layer: nn.Module, size: float = 0.3) -> nn.Module:
    """Move all parameters far from their gentle start, as training would."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.empty_like(parameter).normal_(0.0, size, generator=generator))
    return layer


def gate(*weights: list[float], divide: bool = True) -> StreamGate:
    """A channel-wise gate with these softmax weights."""
    built = StreamGate(len(weights), len(weights[0]), divide=divide)
    with torch.no_grad():
        built.raw.copy_(torch.tensor(weights).log())
    return built


class Pick(nn.Conv2d):
    """1 -> 2 channels, all into one of them: the streams for which a channel-wise gate expands most."""

    def __init__(self, channel: int) -> None:
        super().__init__(1, 2, 1, bias=False)
        with torch.no_grad():
            self.weight.zero_()
            self.weight[channel, 0] = 1.0


def picks(divide: bool) -> Streams:
    plain = [nn.Conv2d(1, 2, 1, bias=False) for _ in range(2)]
    with torch.no_grad():
        for channel, layer in enumerate(plain):
            layer.weight.copy_(Pick(channel).weight)
    return Streams({"first": plain[0], "second": plain[1]}, gate([0.9, 0.1], [0.1, 0.9], divide=divide))


CASES: list[Case] = [
    ("conv aol", lambda n: roughened(SpectralConv2d(2, 3, 3, method="aol")), (2, 6, 6), 0.9),
    ("conv gram", lambda n: roughened(SpectralConv2d(2, 3, 3, method="gram")), (2, 6, 6), 0.9),
    (
        "conv circular",
        lambda n: roughened(SpectralConv2d(2, 3, 3, padding_mode="circular", method="gram")),
        (2, 6, 6),
        0.95,
    ),
    ("conv 5x5", lambda n: roughened(SpectralConv2d(2, 2, 5)), (2, 6, 6), 0.8),
    ("conv 1x1", lambda n: roughened(SpectralConv2d(3, 2, 1, method="gram")), (3, 4, 4), 0.98),
    ("conv stride", lambda n: roughened(SpectralConv2d(2, 3, 3, stride=2)), (2, 6, 6), 0.3),
    ("linear gram", lambda n: roughened(SpectralLinear(6, 5)), (6,), 0.99),
    ("linear aol", lambda n: roughened(SpectralLinear(6, 5, method="aol")), (6,), 0.99),
    ("mix", lambda n: roughened(OrthogonalMix(4), 1.0), (4, 3, 3), 0.99),
    ("maxmin", lambda n: GroupSort(2), (4, 2, 2), 0.99),
    ("groupsort 3", lambda n: GroupSort(3), (6,), 0.99),
    ("low pass", lambda n: LowPassDCT(2, cutoff=0.3), (2, 5, 6), 0.98),
    ("low pass narrow", lambda n: LowPassDCT(1, cutoff=0.05, sharpness=10), (1, 6, 6), 0.98),
    ("projection", lambda n: RandomProjectionConv2d(2, 2, noise=n), (2, 6, 6), 0.4),
    ("projection grouped", lambda n: RandomProjectionConv2d(4, 4, groups=4, noise=n), (4, 5, 5), 0.5),
    ("projection shared", lambda n: RandomProjectionConv2d(2, 4, noise=n, draws="batch"), (2, 5, 5), 0.3),
    ("rani residual", lambda n: roughened(RANI(3, noise=n, mode="residual")), (3, 4, 4), 0.85),
    ("rani normalized", lambda n: roughened(RANI(3, noise=n)), (3, 4, 4), 0.85),
    ("rani dense", lambda n: roughened(RANI(6, noise=n, mode="residual", draws="batch")), (6,), 0.85),
    ("rani flat", lambda n: roughened(RANI(4, noise=n, spatial=False)), (4, 3, 3), 0.85),
    ("gate channel divided", lambda n: picks(divide=True), (1, 3, 3), 0.9),
    ("gate channel stated", lambda n: picks(divide=False), (1, 3, 3), 0.9),
    (
        "gate stream",
        lambda n: Streams({"a": nn.Identity(), "b": Scale(3.0)}, roughened_gate()),
        (4,),
        0.99,
    ),
    ("residual", lambda n: ConvexResidual(nn.Sequential(Scale(-1.0), nn.Tanh())), (4,), 0.45),
    ("pixel sum", lambda n: PixelSum(), (2, 4, 4), 0.99),
    ("scale", lambda n: Scale(-2.5), (3,), 0.99),
    ("padding", lambda n: nn.ZeroPad2d((0, 1, 0, 1)), (1, 3, 3), 0.99),
]


def roughened_gate() -> StreamGate:
    built = StreamGate(2)
    roughened(built, 1.0)
    return built


@pytest.mark.parametrize(("name", "build", "shape", "share"), CASES, ids=[c[0] for c in CASES])
def test_no_search_breaks_a_rule_at_any_fixed_draw(
    name: str, build: Build, shape: Shape, share: float
) -> None:
    torch.manual_seed(0)
    noise = Noise(0)
    module = build(noise).double().eval()
    value = bound(module, shape).value
    best = 0.0
    random = any(hasattr(part, "noise") for part in module.modules())
    for draw in range(3 if random else 1):
        with noise.frozen(draw):
            best = max(best, largest_ratio(module, shape, starts=16, steps=100))
    assert best <= value * (1 + 1e-9)
    assert best >= share * value


def test_the_channel_gate_without_the_factor_expands_as_the_notes_say() -> None:
    """|z| = 1.27 |x| for a = [[.9, .1], [.1, .9]] (math notes "Lipschitz", section 2.2)."""
    x = torch.randn(1, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    expanding, safe = picks(divide=False).eval(), picks(divide=True).eval()
    with torch.no_grad():
        ratio = float(expanding(x).norm() / x.norm())
    assert ratio == pytest.approx(math.sqrt(2 * 0.9**2), rel=1e-5)
    assert bound(expanding, (1, 3, 3)).value > 1.27
    assert bound(safe, (1, 3, 3)).value <= 1.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", ["aol", "gram"])
@pytest.mark.parametrize("size", [0.0, 0.3, 1e3])
def test_layers_that_promise_1_have_a_ledger_of_at_most_1(
    dtype: torch.dtype, method: str, size: float
) -> None:
    torch.manual_seed(1)
    layers: Sequence[nn.Module] = [
        SpectralConv2d(8, 6, 3, method=method),  # pyright: ignore[reportArgumentType]
        SpectralLinear(8, 6, method=method),  # pyright: ignore[reportArgumentType]
        OrthogonalMix(8),
        LowPassDCT(8),
        ConvexResidual(nn.Identity()),
        Streams({"a": nn.Identity(), "b": nn.Identity(), "c": nn.Identity()}, StreamGate(3, 8)),
        Streams({"a": nn.Identity(), "b": nn.Identity(), "c": nn.Identity()}, StreamGate(3)),
    ]
    for layer in layers:
        shape: Shape = (8,) if isinstance(layer, SpectralLinear) else (8, 7, 7)
        spread = 0.0 if isinstance(layer, LowPassDCT) else size
        value = bound(roughened(layer, spread).to(dtype).eval(), shape).value
        assert value <= 1.0, layer
        assert value >= 0.5, layer


def test_noise_is_fresh_in_training_and_in_evaluation_and_stands_still_when_frozen() -> None:
    noise = Noise(0)
    for layer in (RANI(4, noise=noise), RandomProjectionConv2d(4, 4, noise=noise)):
        x = torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(0))
        for mode in (True, False):
            layer.train(mode)
            assert not torch.equal(layer(x), layer(x))
        with noise.frozen(1):
            first = layer(x)
            assert torch.equal(first, layer(x))
        with noise.frozen(2):
            assert not torch.equal(first, layer(x))


@pytest.mark.parametrize("draws", ["sample", "batch"])
def test_rows_share_a_draw_exactly_when_asked_to(draws: str) -> None:
    for build in (RANI, _projection):
        layer = build(4, noise=Noise(0), draws=draws)  # pyright: ignore[reportArgumentType]
        x = torch.randn(1, 4, 5, 5, generator=torch.Generator().manual_seed(0)).expand(3, -1, -1, -1)
        rows = layer(x)
        assert torch.allclose(rows[0], rows[1], atol=1e-6) is (draws == "batch")
        assert draws_are_independent(layer) is (draws == "sample")


def _projection(channels: int, **options: object) -> RandomProjectionConv2d:
    return RandomProjectionConv2d(channels, channels, **options)  # pyright: ignore[reportArgumentType]


def test_filters_per_row_are_the_filters_of_each_row_alone() -> None:
    noise = Noise(3)
    layer = RandomProjectionConv2d(4, 6, groups=2, noise=noise)
    x = torch.randn(3, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    with noise.frozen(0):
        together = layer(x)
        weights = layer.filters(3, x).unflatten(0, (3, -1))
    for row in range(3):
        alone = nn.functional.conv2d(x[row : row + 1], weights[row], padding=1, groups=2)
        assert torch.allclose(together[row], alone[0], atol=1e-6)


def test_a_mask_never_looks_at_its_input() -> None:
    noise = Noise(0)
    layer = roughened(RANI(3, noise=noise, mode="residual")).eval()
    x, y = torch.randn(2, 1, 3, 4, 4, generator=torch.Generator().manual_seed(0)).double()
    layer.double()
    with noise.frozen(4):
        assert torch.allclose(layer(x) + layer(y), layer(x + y), atol=1e-12)  # linear for each draw


def test_the_mask_of_frequencies_keeps_the_low_ones() -> None:
    layer = LowPassDCT(1, cutoff=0.4, learned=False)
    flat = torch.ones(1, 1, 8, 8)
    board = torch.tensor([1.0, -1.0]).repeat(4)
    fine = (board[:, None] * board)[None, None]
    assert float(layer(flat).norm() / flat.norm()) > 0.99
    assert float(layer(fine).norm() / fine.norm()) < 0.1
    assert not list(layer.parameters())


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: SpectralConv2d(1, 1, 2), "kernel_size must be odd"),
        (lambda: SpectralConv2d(1, 1, padding_mode="reflect"), "padding_mode must be"),  # pyright: ignore[reportArgumentType]
        (lambda: SpectralLinear(1, 1, method="power"), "method must be"),  # pyright: ignore[reportArgumentType]
        (lambda: OrthogonalMix(0), "channels must be"),
        (lambda: GroupSort(1), "size must be"),
        (lambda: GroupSort(2)(torch.zeros(1, 3)), "3 channels cannot be sorted"),
        (lambda: LowPassDCT(1, cutoff=1.5), "cutoff must be"),
        (lambda: RandomProjectionConv2d(4, 4, groups=3, noise=Noise(0)), "groups must be a divisor"),
        (lambda: RANI(2, noise=Noise(0), mode="halved"), "mode must be"),  # pyright: ignore[reportArgumentType]
        (lambda: RANI(2, noise=Noise(0), draws="pixel"), "draws must be"),  # pyright: ignore[reportArgumentType]
        (lambda: StreamGate(0), "streams must be"),
        (lambda: Streams({"a": nn.Identity()}, StreamGate(2)), "gate must be a gate of 1 streams"),
        (lambda: Scale(math.nan), "factor must be finite"),
        (lambda: Noise(-1), "seed must be"),
        (lambda: bound(nn.ZeroPad2d(-1), (1, 4, 4)), "negative padding"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(build: Callable[[], Tensor], named: str) -> None:
    with pytest.raises(InputError, match=named):
        build()
