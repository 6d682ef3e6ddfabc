"""Low-pass filter in the domain of the discrete cosine transform, one cut-off per channel."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import cast

import torch
from torch import Tensor, nn

from ironbound.errors import wrong_value
from ironbound.lipschitz.ledger import Shape, Step, rule
from ironbound.lipschitz.norms import ROUNDING_MARGIN, dense_norm_bound


class LowPassDCT(nn.Module):
    """Phi^T (Lambda . Phi x): (B, C, H, W) -> (B, C, H, W), for any height and width.

    Phi is the orthonormal two-dimensional DCT-II. The mask falls smoothly with the relative frequency,
    Lambda_c(u, v) = sigmoid(sharpness (cutoff_c - f(u, v))), f = sqrt((u/H)^2 + (v/W)^2) / sqrt 2 in [0, 1),
    so it lies in (0, 1) and does not depend on the input. Images are small here: two matrix products per
    direction cost less than a transform by FFT.

    Args:
        channels: one cut-off each.
        cutoff: initial relative frequency at which half passes, in (0, 1).
        sharpness: how steep the mask falls, positive.
        learned: whether the cut-offs are parameters or stay as they are.

    Example:
        >>> smooth = LowPassDCT(1, cutoff=0.3)
        >>> x = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> bool(smooth(x).norm() < x.norm())
        True
    """

    cutoff: Tensor

    def __init__(
        self, channels: int, *, cutoff: float = 0.5, sharpness: float = 20.0, learned: bool = True
    ) -> None:
        super().__init__()
        if channels < 1:
            raise wrong_value("channels", channels, "at least 1")
        if not 0.0 < cutoff < 1.0:
            raise wrong_value("cutoff", cutoff, "a relative frequency in (0, 1)")
        if not 0.0 < sharpness < math.inf:
            raise wrong_value("sharpness", sharpness, "positive")
        self.sharpness = sharpness
        start = torch.full((channels,), cutoff)
        if learned:
            self.cutoff = nn.Parameter(start)
        else:
            self.register_buffer("cutoff", start)

    def mask(self, height: int, width: int) -> Tensor:
        """Lambda, shape (C, H, W), a few units in the last place below its formula."""
        like = self.cutoff
        down = torch.arange(height, dtype=like.dtype, device=like.device) / height
        across = torch.arange(width, dtype=like.dtype, device=like.device) / width
        frequency = torch.sqrt((down[:, None] ** 2 + across**2) / 2)
        passed = torch.sigmoid(self.sharpness * (like[:, None, None] - frequency))
        # The stored cosines are orthonormal up to rounding; this keeps the product of all factors within 1.
        room = 8 * torch.finfo(like.dtype).eps * math.sqrt(max(height, width))
        return passed * (1.0 - room - 8 * ROUNDING_MARGIN)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        down, across = dct_matrix(height).to(x), dct_matrix(width).to(x)
        spectrum = self.mask(height, width) * (down @ x @ across.T)
        return down.T @ spectrum @ across

    def extra_repr(self) -> str:
        return f"{self.cutoff.shape[0]}, sharpness={self.sharpness:g}"


@lru_cache(maxsize=64)
def dct_matrix(size: int) -> Tensor:
    """Orthonormal DCT-II matrix, shape (size, size), float64; row u holds the cosine of frequency u.

    Example:
        >>> bool(torch.allclose(dct_matrix(5) @ dct_matrix(5).T, torch.eye(5, dtype=torch.float64)))
        True
    """
    index = torch.arange(size, dtype=torch.float64)
    matrix = torch.cos(math.pi / size * index[:, None] * (index + 0.5)) * math.sqrt(2 / size)
    matrix[0] = 1 / math.sqrt(size)
    return matrix


@rule(LowPassDCT)
def _low_pass_rule(module: nn.Module, shape: Shape, name: str) -> Step:
    layer = cast(LowPassDCT, module)
    height, width = shape[-2:]
    with torch.no_grad():
        largest = float(layer.mask(height, width).max())
    stored = (dct_matrix(size).to(layer.cutoff.dtype) for size in (height, width))
    there, back = (dense_norm_bound(matrix) for matrix in stored)
    value = largest * (there * back) ** 2 * (1.0 + 1e-15)
    return Step(name, f"largest entry {largest:.4f} of the mask between orthonormal transforms", value)
