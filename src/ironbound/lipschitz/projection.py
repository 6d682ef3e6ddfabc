"""Convolution with random filters, drawn anew in every forward pass (Dong & Xu 2023, RPF)."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ironbound.errors import wrong_value
from ironbound.lipschitz.kernels import rounding_room
from ironbound.lipschitz.ledger import Shape, Step, rule
from ironbound.lipschitz.noise import Draws, Noise, check_draws, rows


class RandomProjectionConv2d(nn.Module):
    """Random Gaussian filters, each draw rescaled to |K|_2 <= 1: (B, C_in, H, W) -> (B, C_out, H, W).

    Every draw is normalised by AOL in float64, so the bound 1 holds for each draw, not on average. Nothing
    is learned here; an orthogonal mix in front decides what is projected.

    Args:
        in_channels, out_channels: divisible by `groups`.
        kernel_size: odd; zero padding keeps the size.
        groups: filters mix the channels of one group only. Small groups lose less to the normalisation.
        noise: where the filters come from.
        draws: "sample" for filters of its own per row of the batch, "batch" for one set per forward pass.

    Example:
        >>> layer = RandomProjectionConv2d(4, 4, 3, groups=2, noise=Noise(0))
        >>> x = torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(0))
        >>> bool((layer(x).flatten(1).norm(dim=1) <= x.flatten(1).norm(dim=1)).all())
        True
        >>> torch.equal(layer(x), layer(x))
        False
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        groups: int = 1,
        noise: Noise,
        draws: Draws = "sample",
    ) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise wrong_value("kernel_size", kernel_size, "odd, so that both sides are padded alike")
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise wrong_value("groups", groups, f"a divisor of {in_channels} and of {out_channels} channels")
        self.shape = (groups, out_channels // groups, in_channels // groups, kernel_size, kernel_size)
        self.noise = noise
        self.draws: Draws = check_draws(draws)
        self._site = noise.register()

    def filters(self, count: int, like: Tensor) -> Tensor:
        """`count` independent draws, each of norm at most 1: (count * C_out, C_in / groups, k, k)."""
        groups, outputs, inputs, size, _ = self.shape
        raw = self.noise.normal(self._site, (count * groups, outputs, inputs, size, size), like)
        scale = _aol_scales(raw.double())
        room = rounding_room(self.shape[1:]) * torch.finfo(like.dtype).eps
        scaled = raw.double() * scale[:, None, :, None, None] * (1.0 - room)
        return scaled.to(like.dtype).flatten(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        count, padding = rows(self.draws, x.shape[0]), self.shape[-1] // 2
        weight = self.filters(count, x)
        if count == 1:
            return functional.conv2d(x, weight, padding=padding, groups=self.shape[0])
        # One grouped convolution runs all rows with their own filters.
        joined = x.flatten(0, 1)[None]
        result = functional.conv2d(joined, weight, padding=padding, groups=count * self.shape[0])
        return result[0].unflatten(0, (count, -1))

    def extra_repr(self) -> str:
        groups, outputs, inputs, size, _ = self.shape
        return (
            f"{groups * inputs}, {groups * outputs}, kernel_size={size}, groups={groups}, draws={self.draws}"
        )


def _aol_scales(weights: Tensor) -> Tensor:
    """`aol_scale` of many kernels at once: (N, C_out, C_in, k, k) -> (N, C_in).

    The correlation of two input channels at an offset is that of the same two, exchanged, at the opposite
    offset; so half of the offsets give all of them, once by rows and once by columns.
    """
    size = weights.shape[-1]
    channels = weights.transpose(1, 2)  # (N, C_in, C_out, k, k)
    total = torch.zeros(channels.shape[:2], dtype=weights.dtype, device=weights.device)
    for down in range(size):
        for across in range(1 - size if down else 0, size):
            left, right = max(0, across), max(0, -across)
            one = channels[..., down:, left : size - right].flatten(2)
            two = channels[..., : size - down, right : size - left].flatten(2)
            gram = torch.bmm(one, two.transpose(1, 2)).abs()
            total += gram.sum(dim=2)
            if down or across:
                total += gram.sum(dim=1)
    return total.clamp_min(math.ulp(0.0) * 2**60).rsqrt()


@rule(RandomProjectionConv2d)
def _projection_rule(module: nn.Module, shape: Shape, name: str) -> Step:
    draws = cast(RandomProjectionConv2d, module).draws
    return Step(name, f"every draw rescaled by AOL (one draw a {draws})", 1.0)
