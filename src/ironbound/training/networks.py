"""The networks that recipes speak of: HyCASNet, and a plain residual network of the same size."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ironbound.lipschitz import HyCASConfig, HyCASNet, Noise
from ironbound.lipschitz.noise import Draws
from ironbound.training.recipe import Recipe

_SHAPES = {
    "pneumonia": (1, 28, 28),
    "mnist": (1, 28, 28),
    "fashion-mnist": (1, 28, 28),
    "cifar10": (3, 32, 32),
}
_CLASSES = {"pneumonia": 2}


def input_shape(recipe: Recipe) -> tuple[int, int, int]:
    """(channels, height, width) of the recipe's images."""
    return _SHAPES[recipe.data]


def num_classes(recipe: Recipe) -> int:
    """How many classes the recipe's data have."""
    return _CLASSES.get(recipe.data, 10)


class PlainResNet(nn.Module):
    """Images (B, C, H, W) -> logits (B, classes): residual blocks with batch normalisation and ReLU.

    The layout of HyCASNet (fold, stem, blocks of two 3x3 convolutions, halving by a fold) without anything
    that bounds its constant: what randomised smoothing is usually put around.
    """

    def __init__(
        self, shape: tuple[int, int, int], classes: int, width: int, blocks: tuple[int, ...], fold: int
    ):
        super().__init__()
        layers: list[nn.Module] = [nn.PixelUnshuffle(fold)] if fold > 1 else []
        layers += _convolution(shape[0] * fold**2, width)
        now, height, wide = width, shape[1] // fold, shape[2] // fold
        for stage, count in enumerate(blocks):
            if stage > 0:
                layers += [nn.ZeroPad2d((0, wide % 2, 0, height % 2)), nn.PixelUnshuffle(2)]
                layers += [nn.Conv2d(4 * now, 2 * now, 1, bias=False), nn.BatchNorm2d(2 * now)]
                now, height, wide = 2 * now, (height + 1) // 2, (wide + 1) // 2
            layers += [_Block(now) for _ in range(count)]
        layers += [nn.Flatten(), nn.Linear(now * height * wide, classes)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class _Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_convolution(channels, channels), *_convolution(channels, channels)[:2])

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


def config_of(recipe: Recipe, draws: Draws = "sample") -> HyCASConfig:
    """Architecture of a "hycas" recipe."""
    chosen: dict[str, Any] = {"mode": recipe.mode, "gate": recipe.gate}
    names = recipe.stream_names
    if names:
        published = HyCASConfig(
            input_shape(recipe), num_classes(recipe), width=recipe.width, blocks=recipe.blocks
        )
        stages = [published.streams_of(stage) for stage in range(len(recipe.blocks))]
        chosen["streams"] = tuple(tuple(s for s in stage if s in names) or names[:1] for stage in stages)
    return HyCASConfig(
        input_shape(recipe),
        num_classes(recipe),
        width=recipe.width,
        blocks=recipe.blocks,
        fold=recipe.fold,
        injection=recipe.injection,
        draws=draws,
        **chosen,
    )


def build(recipe: Recipe, draws: Draws = "sample") -> nn.Module:
    """A network with fresh weights, decided by the recipe's seed; nothing global is seeded.

    Args:
        recipe: what to build.
        draws: whether internal draws are made per row or shared by a batch, which is faster in training.

    Example:
        >>> net = build(Recipe(name="x", network="plain", width=8, blocks=(1,)))
        >>> tuple(net.eval()(torch.zeros(2, 1, 28, 28)).shape)
        (2, 2)
    """
    if recipe.network == "hycas":
        generator = torch.Generator().manual_seed(recipe.seed)
        return HyCASNet(config_of(recipe, draws), noise=Noise(recipe.seed), generator=generator)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        shape, classes = input_shape(recipe), num_classes(recipe)
        return PlainResNet(shape, classes, recipe.width, recipe.blocks, recipe.fold)
