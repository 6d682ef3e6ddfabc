"""Small 1-Lipschitz parts between the layers: scale, padding, pooling that keeps the norm."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from ironbound.errors import InputError, wrong_value
from ironbound.lipschitz.ledger import Shape, Step, rule


class Scale(nn.Module):
    """x -> factor * x, a stated constant.

    Example:
        >>> Scale(2.0)(torch.ones(1))
        tensor([2.])
    """

    def __init__(self, factor: float) -> None:
        super().__init__()
        if not math.isfinite(factor):
            raise wrong_value("factor", factor, "finite")
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x

    def extra_repr(self) -> str:
        return f"{self.factor:g}"


class PixelSum(nn.Module):
    """Sum over all pixels divided by the root of their number: (B, C, H, W) -> (B, C), exactly 1-Lipschitz.

    The global mean has Lipschitz constant 1 / sqrt(H W) and would throw that factor of the margin away.

    Example:
        >>> [round(v, 4) for v in PixelSum()(torch.ones(1, 2, 3, 3))[0].tolist()]
        [3.0, 3.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        # Dividing by a root rounded up by a few units keeps the factor at 1 in float32 as well.
        area = x.shape[-2] * x.shape[-1]
        return x.sum(dim=(-2, -1)) * ((1.0 - 2 * torch.finfo(x.dtype).eps) / math.sqrt(area))


@rule(Scale)
def _scale_rule(module: nn.Module, shape: Shape, name: str) -> Step:
    return Step(name, "stated factor", abs(cast(Scale, module).factor))


@rule(PixelSum)
def _sum_rule(module: nn.Module, shape: Shape, name: str) -> Step:
    return Step(name, f"sum of {shape[-2] * shape[-1]} pixels over the root of their number", 1.0)


@rule(nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d)
def _padding_rule(module: nn.Module, shape: Shape, name: str) -> Step:
    padding = cast(nn.ZeroPad2d, module).padding
    if any(p < 0 for p in padding):
        raise InputError(f"{name}: negative padding {padding} crops; crop by slicing before the network")
    return Step(name, "adds zeros", 1.0)
