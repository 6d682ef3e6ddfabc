"""Training 1-Lipschitz encoders: orthogonal layers and MaxMin, pulled back to orthogonal after each step.

Source: Anil, Lucas, Grosse, "Sorting out Lipschitz function approximation" (2019, arXiv 1811.05381): Bjorck's
iteration W <- 1.5 W - 0.5 W W^T W and the GroupSort activation. The constant of the result comes from the
ledger and not from here; a layer that is not quite orthogonal only costs radius.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ironbound.errors import wrong_value
from ironbound.lipschitz import GroupSort


def orthogonal_mlp(sizes: Sequence[int]) -> nn.Sequential:
    """Flatten, then dense layers of the given sizes with MaxMin between them, initialised orthogonal.

    Args:
        sizes: numbers of inputs, of hidden units (even), and of latent dimensions.

    Example:
        >>> layers = orthogonal_mlp([4, 6, 2])
        >>> [type(layer).__name__ for layer in layers]
        ['Flatten', 'Linear', 'GroupSort', 'Linear']
    """
    if len(sizes) < 2 or any(size % 2 for size in sizes[1:-1]):
        raise wrong_value("sizes", list(sizes), "two sizes or more, those of hidden layers even")
    layers: list[nn.Module] = [nn.Flatten()]
    for place, (before, after) in enumerate(pairwise(sizes)):
        if place:
            layers.append(GroupSort(2))
        layer = nn.Linear(before, after)
        nn.init.orthogonal_(layer.weight)
        layers.append(layer)
    return nn.Sequential(*layers)


def orthogonal_patches(
    input_shape: Sequence[int], channels: Sequence[int], sizes: Sequence[int]
) -> nn.Sequential:
    """For images: blocks of 2 x 2 pixels become channels, which an orthogonal matrix mixes, alike everywhere.

    Each stage halves height and width: PixelUnshuffle (a permutation), a 1 x 1 convolution with orthonormal
    rows or columns, MaxMin. No patches overlap, so that every stage is exactly orthogonal, where a larger
    kernel could only be bounded. Dense layers follow, as in `orthogonal_mlp`.

    Args:
        input_shape: (C, H, W), H and W divisible by 2 as often as there are stages.
        channels: even numbers, one for each stage. sizes: of the dense layers, even but for the last.

    Example:
        >>> net = orthogonal_patches((3, 8, 8), [8, 16], [6, 2])
        >>> [type(layer).__name__ for layer in net][:4], tuple(net(torch.zeros(5, 3, 8, 8)).shape)
        (['PixelUnshuffle', 'Conv2d', 'GroupSort', 'PixelUnshuffle'], (5, 2))
    """
    count, height, width = input_shape
    once = 2 ** len(channels)
    if not channels or any(size % 2 for size in channels):
        raise wrong_value("channels", list(channels), "even numbers, one for each stage")
    if height % once or width % once:
        raise wrong_value("input_shape", tuple(input_shape), f"height and width divisible by {once}")
    layers: list[nn.Module] = []
    for after in channels:
        layer = nn.Conv2d(4 * count, after, 1)
        nn.init.orthogonal_(layer.weight)
        layers += [nn.PixelUnshuffle(2), layer, GroupSort(2)]
        count = after
    return nn.Sequential(*layers, *orthogonal_mlp([count * height * width // once**2, *sizes]))


def fit_encoder(
    encoder: nn.Sequential,
    inputs: Tensor,
    labels: Tensor,
    *,
    steps: int,
    batch: int = 256,
    rate: float = 2e-3,
    temperature: float = 8.0,
    margin: float = 0.5,
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None,
    seed: int = 0,
    progress: Callable[[float], None] = lambda fraction: None,
) -> None:
    """Train an encoder in place so that latent coordinate k is large for class k.

    Loss: cross entropy of temperature * z with the true coordinate lowered by sqrt(2) * margin, that is with
    every input as if an attacker had already moved it by `margin` in the worst direction.

    Args:
        inputs: (N, ...), float32. labels: (N,), below the latent's dimension.
        augment: applied to each batch with the generator; None for none.
    """
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(encoder.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    encoder.train()
    for step in range(steps):
        chosen = torch.randint(len(labels), (batch,), generator=generator)
        x = inputs[chosen]
        z = encoder(x if augment is None else augment(x, generator))
        lowered = z - 2.0**0.5 * margin * functional.one_hot(labels[chosen], z.shape[1])
        optimiser.zero_grad()
        functional.cross_entropy(temperature * lowered, labels[chosen]).backward()
        optimiser.step()
        schedule.step()
        retract(encoder, 2)
        progress((step + 1) / steps)
    retract(encoder, 30)
    encoder.eval()


def retract(encoder: nn.Sequential, iterations: int) -> None:
    """Pull every dense layer and 1 x 1 convolution towards the nearest matrix with orthonormal rows (or
    columns).

    Example:
        >>> layers = nn.Sequential(nn.Linear(3, 2))
        >>> retract(layers, 30)
        >>> W = layers[0].weight.detach()
        >>> bool((W @ W.T - torch.eye(2)).abs().max() < 1e-5)
        True
    """
    with torch.no_grad():
        for layer in encoder:
            if isinstance(layer, nn.Linear | nn.Conv2d):
                w = layer.weight.flatten(1)
                wide = w if w.shape[0] <= w.shape[1] else w.T
                # |W| <= sqrt(|W|_1 |W|_inf); the iteration converges from norms below sqrt(3).
                size = float((wide.abs().sum(0).max() * wide.abs().sum(1).max()).sqrt())
                if iterations > 5 and size > 1.7:
                    wide = wide / max(1.0, float(torch.linalg.matrix_norm(wide, 2)))
                for _ in range(iterations):
                    wide = 1.5 * wide - 0.5 * (wide @ wide.T) @ wide
                layer.weight.copy_((wide if w.shape[0] <= w.shape[1] else wide.T).reshape(layer.weight.shape))


def shifted(pixels: int, *, mirror: bool = False) -> Callable[[Tensor, torch.Generator], Tensor]:
    """An augmentation for images (N, H, W) or (N, C, H, W): each batch moved by up to `pixels` each way.

    Args:
        mirror: also swap left and right, for half of the batches.
    """

    def augment(x: Tensor, generator: torch.Generator) -> Tensor:
        if mirror and int(torch.randint(0, 2, (1,), generator=generator)):
            x = x.flip(-1)
        dy, dx = cast("list[int]", torch.randint(-pixels, pixels + 1, (2,), generator=generator).tolist())
        return torch.roll(x, (dy, dx), dims=(-2, -1))

    return augment
