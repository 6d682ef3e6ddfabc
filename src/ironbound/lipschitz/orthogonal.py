"""Orthogonal mixing of channels: a learned rotation of the channel axis at every pixel."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ironbound.errors import wrong_value
from ironbound.lipschitz.folding import Folded
from ironbound.lipschitz.kernels import rounding_room
from ironbound.lipschitz.ledger import Shape, Step, rule
from ironbound.lipschitz.norms import dense_norm_bound


class OrthogonalMix(nn.Module):
    """1x1 convolution with an orthogonal matrix: (B, C, H, W) -> (B, C, H, W), no bias.

    Q = (I + A)^-1 (I - A) with A = raw - raw^T (Cayley). A + I is never singular, so every parameter is
    allowed. In eval mode Q is computed in float64 and stored a few units in the last place below orthogonal,
    so that its norm, as the ledger measures it, does not exceed 1.

    Args:
        channels: at least 1.
        generator: for the initial matrix, a random rotation.

    Example:
        >>> mix = OrthogonalMix(4, generator=torch.Generator().manual_seed(0)).eval()
        >>> bool((mix.weight @ mix.weight.T - torch.eye(4)).abs().max() < 1e-5)
        True
    """

    def __init__(self, channels: int, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        if channels < 1:
            raise wrong_value("channels", channels, "at least 1")
        spread = 1 / math.sqrt(channels)
        self.raw = nn.Parameter(torch.empty(channels, channels).normal_(0.0, spread, generator=generator))
        self._fold = Folded(_cayley, rounding_room((channels, channels)))

    @property
    def weight(self) -> Tensor:
        """The matrix Q, shape (C, C)."""
        return self._fold(self, self.raw)

    def final_weight(self) -> Tensor:
        return self._fold.final(self.raw)

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.weight[:, :, None, None])

    def plain(self) -> nn.Conv2d:
        """The same map in eval mode, as a plain torch layer."""
        weight = self.final_weight()
        layer = nn.Conv2d(weight.shape[1], weight.shape[0], 1, bias=False)
        layer = layer.to(device=weight.device, dtype=weight.dtype)
        with torch.no_grad():
            layer.weight.copy_(weight[:, :, None, None])
        return layer.eval()

    def extra_repr(self) -> str:
        return f"{self.raw.shape[0]}"


def _cayley(raw: Tensor) -> Tensor:
    skew = raw - raw.T
    eye = torch.eye(raw.shape[0], dtype=raw.dtype, device=raw.device)
    return torch.linalg.solve(eye + skew, eye - skew)


@rule(OrthogonalMix)
def _mix_rule(module: nn.Module, shape: Shape, name: str) -> Step:
    value = dense_norm_bound(cast(OrthogonalMix, module).final_weight())
    return Step(name, "orthogonal; largest singular value", value)
