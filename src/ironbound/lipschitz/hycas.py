"""HyCASNet: a randomised residual network of three streams per convolution, with a true Lipschitz bound.

Source: Dhar et al., HyCAS, ICLR 2026 (arXiv 2605.01519). What differs from the paper, and why, is in the math
notes "Lipschitz", section 2: masks do not look at their input, norms are upper bounds, a channel-wise gate
carries its factor, and `mode="normalized"` keeps the bound at 2 at every depth.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from ironbound.errors import wrong_value
from ironbound.lipschitz.frequency import LowPassDCT
from ironbound.lipschitz.gate import ConvexResidual, GateKind, StreamGate, Streams
from ironbound.lipschitz.groupsort import GroupSort
from ironbound.lipschitz.ledger import Shape, Step, chain, rule
from ironbound.lipschitz.noise import Draws, Noise, check_draws
from ironbound.lipschitz.orthogonal import OrthogonalMix
from ironbound.lipschitz.plumbing import PixelSum, Scale
from ironbound.lipschitz.projection import RandomProjectionConv2d
from ironbound.lipschitz.rani import RANI, Mode
from ironbound.lipschitz.spectral import Method, SpectralConv2d, SpectralLinear

Stream = Literal["spectral", "frequency", "projection"]
Pool = Literal["sum", "flatten"]
Preset = Literal["tiny", "small", "medium", "resnet18"]

_STREAMS = ("spectral", "frequency", "projection")
_PRESETS: dict[str, tuple[int, tuple[int, ...]]] = {
    "tiny": (8, (1,)),
    "small": (16, (1, 1)),
    "medium": (32, (1, 1, 1)),
    "resnet18": (64, (2, 2, 2, 2)),
}


@dataclass(frozen=True)
class HyCASConfig:
    """Everything that decides the architecture; `record()` is what a run or a certificate stores.

    Args:
        input_shape: (channels, height, width).
        classes: at least 2.
        width: channels of the first stage, a multiple of 4; every further stage doubles them at half the
            resolution.
        blocks: residual blocks per stage, two hybrid convolutions each.
        streams: the streams of every stage; None for the published ones: spectral everywhere, frequency in
            the first two stages, projection in the first three.
        mode: "normalized" ((I + D) / 2 inside, one factor 2 at the logits: bound 2 at every depth) or
            "residual" (I + D, as published: a factor 2 per injection, which the ledger states).
        gate: one weight per stream, or per stream and channel with its factor divided out.
        gate_noise: whether noise is injected once more after the gate, as published.
        spatial: whether masks vary over pixels as well as over channels.
        draws: "sample" for internal draws of its own per row of a batch, "batch" for shared ones.
        method: how 3x3 convolutions are normalised, see `SpectralConv2d`.
        projection_group: channels that one random filter mixes.
        pool: "flatten" in front of the head, or "sum" over all pixels by the root of their number, as a
            ResNet pools. Rotations spread the signal over signs that a sum cancels: with "sum" the tiny and
            small presets learned next to nothing in tests where "flatten" reached 0.9.
        fold: side of the squares of pixels that are folded into channels in front of the stem, an isometry
            that makes everything behind it cheaper; it must divide height and width.
        injection: whether there is any RANI; without it and without projections the network is not random.

    Example:
        >>> config = HyCASConfig.preset("resnet18", (3, 32, 32), 10)
        >>> config.depth, config.streams_of(0), config.streams_of(3)
        (18, ('spectral', 'frequency', 'projection'), ('spectral',))
    """

    input_shape: tuple[int, int, int]
    classes: int
    width: int = 64
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    streams: tuple[tuple[Stream, ...], ...] | None = None
    mode: Mode = "normalized"
    gate: GateKind = "stream"
    gate_noise: bool = True
    spatial: bool = True
    draws: Draws = "sample"
    method: Method = "aol"
    projection_group: int = 4
    pool: Pool = "flatten"
    fold: int = 1
    injection: bool = True

    def __post_init__(self) -> None:
        if len(self.input_shape) != 3 or min(self.input_shape) < 1:
            raise wrong_value("input_shape", self.input_shape, "(channels, height, width), each at least 1")
        if self.classes < 2:
            raise wrong_value("classes", self.classes, "at least 2")
        if not self.blocks or min(self.blocks) < 1:
            raise wrong_value("blocks", self.blocks, "at least one block in every stage")
        if self.projection_group < 1:
            raise wrong_value("projection_group", self.projection_group, "at least 1 channel")
        if self.width < 4 or self.width % 4 or self.width % self.projection_group:
            raise wrong_value("width", self.width, f"a multiple of 4 and of {self.projection_group}")
        if self.gate not in ("stream", "channel"):
            raise wrong_value("gate", self.gate, '"stream" or "channel"')
        if self.pool not in ("sum", "flatten"):
            raise wrong_value("pool", self.pool, '"sum" or "flatten"')
        check_draws(self.draws)
        if self.fold < 1 or self.input_shape[1] % self.fold or self.input_shape[2] % self.fold:
            raise wrong_value("fold", self.fold, f"a divisor of {self.input_shape[1:]}, 1 for none")
        if self.streams is not None and len(self.streams) != len(self.blocks):
            raise wrong_value("streams", self.streams, f"one tuple for each of the {len(self.blocks)} stages")
        for stage in range(len(self.blocks)):
            chosen = self.streams_of(stage)
            if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(_STREAMS):
                raise wrong_value("streams", chosen, f"some of {_STREAMS}, each at most once")

    @staticmethod
    def preset(name: Preset, input_shape: tuple[int, int, int], classes: int, **changes: Any) -> HyCASConfig:
        """A named size, and any field changed: tiny and small train on two CPU cores."""
        if name not in _PRESETS:
            raise wrong_value("name", name, f"one of {tuple(_PRESETS)}")
        known = {field.name for field in fields(HyCASConfig)}
        if not set(changes) <= known:
            raise wrong_value("changes", sorted(set(changes) - known), f"fields among {sorted(known)}")
        width, blocks = _PRESETS[name]
        chosen: dict[str, Any] = {"width": width, "blocks": blocks, **changes}
        return HyCASConfig(input_shape, classes, **chosen)

    @property
    def folded_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) in front of the stem."""
        channels, height, width = self.input_shape
        return channels * self.fold**2, height // self.fold, width // self.fold

    @property
    def feature_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) behind the last stage."""
        _, height, width = self.folded_shape
        for _ in self.blocks[1:]:
            height, width = (height + 1) // 2, (width + 1) // 2
        return self.width * 2 ** (len(self.blocks) - 1), height, width

    @property
    def depth(self) -> int:
        """Layers with weights along the main path, counted as in "ResNet-18"."""
        return 2 + 2 * sum(self.blocks)

    def streams_of(self, stage: int) -> tuple[Stream, ...]:
        if self.streams is not None:
            return self.streams[stage]
        published = (True, stage < 2, stage < 3)
        return tuple(cast(Stream, s) for s, on in zip(_STREAMS, published, strict=True) if on)

    def record(self) -> dict[str, Any]:
        return asdict(self)


def blocks_for_depth(depth: int) -> tuple[int, ...]:
    """Blocks per stage of a network of that depth, spread over at most four stages, earlier ones first.

    Example:
        >>> blocks_for_depth(4), blocks_for_depth(8), blocks_for_depth(18)
        ((1,), (1, 1, 1), (2, 2, 2, 2))
    """
    if depth < 4 or depth % 2:
        raise wrong_value("depth", depth, "even and at least 4 (a stem, a head, two layers per block)")
    total = (depth - 2) // 2
    stages = min(4, total)
    return tuple(total // stages + (stage < total % stages) for stage in range(stages))


class HyCASNet(nn.Module):
    """Images (B, C, H, W) -> logits (B, classes). Random in training and in evaluation alike.

    Logits are Lipschitz for every internal draw; the constant, with its derivation, is
    `lipschitz.bound(net, config.input_shape)`.

    Args:
        config: the architecture.
        noise: source of the internal randomness.
        generator: for the initial weights.

    Example:
        >>> from ironbound.lipschitz import bound
        >>> config = HyCASConfig.preset("tiny", (1, 8, 8), 10)
        >>> net = HyCASNet(config, noise=Noise(0), generator=torch.Generator().manual_seed(0)).eval()
        >>> tuple(net(torch.zeros(5, 1, 8, 8)).shape), bound(net, config.input_shape).value <= 2
        ((5, 10), True)
    """

    def __init__(
        self, config: HyCASConfig, *, noise: Noise, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.noise = noise
        build = _Builder(config, noise, generator)
        self.features = build.features()
        channels, height, width = config.feature_shape
        size = channels if config.pool == "sum" else channels * height * width
        self.head = SpectralLinear(size, config.classes, generator=generator)
        self.scale = Scale(2.0 if config.mode == "normalized" else 1.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.scale(self.head(self.features(x)))

    @contextmanager
    def only(self, stream: Stream) -> Iterator[None]:
        """While open, every hybrid convolution answers by this stream alone, or by its first stream where it
        lacks this one: the logits of the auxiliary losses. The ledger sees it too."""
        if stream not in _STREAMS:
            raise wrong_value("stream", stream, f"one of {_STREAMS}")
        parts = [part for part in self.modules() if isinstance(part, Streams)]
        before = [part.chosen for part in parts]
        try:
            for part in parts:
                part.chosen = stream
            yield
        finally:
            for part, chosen in zip(parts, before, strict=True):
                part.chosen = chosen

    def readout(self) -> Tensor:
        """The matrix from features to logits in eval mode, with the final factor: (classes, features)."""
        return self.scale.factor * self.head.final_weight().double()


@rule(HyCASNet)
def _network_rule(module: nn.Module, shape: Shape, name: str) -> Step:
    net = cast(HyCASNet, module)
    parts = [("features", net.features), ("head", net.head), ("scale", net.scale)]
    steps, product = chain(parts, shape)
    text = f"{net.config.mode}, depth {net.config.depth}: product of its parts"
    return Step(name, text, product, tuple(steps))


@dataclass(frozen=True)
class _Builder:
    """Puts the layers together; every random layer registers with the same source."""

    config: HyCASConfig
    noise: Noise
    generator: torch.Generator | None

    def features(self) -> nn.Sequential:
        channels, height, width = self.config.folded_shape
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if self.config.fold > 1:
            layers["fold"] = nn.PixelUnshuffle(self.config.fold)
        layers["stem"] = self.convolution(channels, self.config.width)
        layers["stem_sort"] = GroupSort(2)
        now = self.config.width
        for stage, count in enumerate(self.config.blocks):
            if stage > 0:
                layers[f"down{stage + 1}"] = self.halved(now, height, width)
                height, width, now = (height + 1) // 2, (width + 1) // 2, 2 * now
            for block in range(count):
                layers[f"stage{stage + 1}_{block + 1}"] = self.block(now, self.config.streams_of(stage))
        layers["pool"] = PixelSum() if self.config.pool == "sum" else nn.Flatten()
        return nn.Sequential(layers)

    def halved(self, channels: int, height: int, width: int) -> nn.Sequential:
        """Half the resolution and twice the channels. Folding pixels into channels is an isometry, where a
        stride would drop three quarters of the signal and the bound would not notice."""
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if height % 2 or width % 2:
            layers["pad"] = nn.ZeroPad2d((0, width % 2, 0, height % 2))
        layers["fold"] = nn.PixelUnshuffle(2)
        layers["mix"] = SpectralConv2d(4 * channels, 2 * channels, 1, method="gram", generator=self.generator)
        return nn.Sequential(layers)

    def block(self, channels: int, streams: tuple[Stream, ...]) -> nn.Sequential:
        body = nn.Sequential(
            OrderedDict(
                first=self.hybrid(channels, streams), sort=GroupSort(2), second=self.hybrid(channels, streams)
            )
        )
        return nn.Sequential(OrderedDict(residual=ConvexResidual(body), sort=GroupSort(2)))

    def hybrid(self, channels: int, streams: tuple[Stream, ...]) -> nn.Module:
        """One convolution of the backbone as parallel streams, a gate, and noise once more."""
        makers = {"spectral": self.spectral, "frequency": self.frequency, "projection": self.projection}
        parts = {name: makers[name](channels) for name in streams}
        gate = StreamGate(len(parts), channels if self.config.gate == "channel" else None)
        joined = Streams(parts, gate)
        if not (self.config.gate_noise and self.config.injection):
            return joined
        return nn.Sequential(OrderedDict(streams=joined, noise=self.injection(channels)))

    def spectral(self, channels: int) -> nn.Sequential:
        return self.noised(OrderedDict(conv=self.convolution(channels, channels)), channels)

    def frequency(self, channels: int) -> nn.Sequential:
        return self.noised(
            OrderedDict(
                low_pass=LowPassDCT(channels),
                mix=OrthogonalMix(channels, generator=self.generator),
                conv=self.convolution(channels, channels),
            ),
            channels,
        )

    def projection(self, channels: int) -> nn.Sequential:
        random = RandomProjectionConv2d(
            channels,
            channels,
            groups=channels // self.config.projection_group,
            noise=self.noise,
            draws=self.config.draws,
        )
        mix = OrthogonalMix(channels, generator=self.generator)
        return self.noised(OrderedDict(mix=mix, project=random), channels)

    def noised(self, layers: OrderedDict[str, nn.Module], channels: int) -> nn.Sequential:
        """A stream, and its injection behind it where there is any."""
        if self.config.injection:
            layers["noise"] = self.injection(channels)
        return nn.Sequential(layers)

    def convolution(self, inputs: int, outputs: int) -> SpectralConv2d:
        return SpectralConv2d(inputs, outputs, 3, method=self.config.method, generator=self.generator)

    def injection(self, channels: int) -> RANI:
        config = self.config
        return RANI(
            channels,
            noise=self.noise,
            mode=config.mode,
            draws=config.draws,
            spatial=config.spatial,
            generator=self.generator,
        )
