"""Norm bounds for layers that normalise themselves: cheap, differentiable, and valid for every input size.

Two ways to an operator of norm at most 1: divide by `torus_norm_bound`, or rescale by `norms.aol_scale`;
`weighted_norm_bound` proves the second one from the finished weight alone.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from ironbound.errors import wrong_value
from ironbound.lipschitz.norms import gram_norm_bound, interactions

# What a coarse grid costs in tightness:
# with a 3 x 3 kernel, 8.2 % at 16 points, 3.6 % at 24, 2.0 % at 32.
GRID = 16
STEPS = 5


def torus_norm_bound(weight: Tensor, *, grid: int = GRID, steps: int = STEPS) -> Tensor:
    """Upper bound of the norm of a stride-1 convolution, for any input size, zero or circular padding.

    v* A(t)* A(t) v is a trigonometric polynomial of degree k - 1 in each frequency, and such a polynomial
    exceeds its largest value on n equidistant points by at most 1 / cos(pi (k - 1) / n) per dimension
    (Ehlich & Zeller 1964; Pfister & Bresler 2018, arXiv 1802.09588). Norms on the grid: Gram iteration.

    Args:
        weight: shape (..., C_out, C_in, k_h, k_w); gradients flow through.
        grid: points per dimension, more than 2 (k - 1).
        steps: Gram steps.
    Returns:
        Shape (...), in the precision of `weight`, never below the norm beyond its rounding.
    Raises:
        InputError: too few dimensions, or a grid too coarse for the kernel.

    Example:
        >>> edge = torch.tensor([1.0, 0.0, -1.0]).reshape(1, 1, 1, 3)
        >>> 2.0 <= float(torus_norm_bound(edge)) <= 2.09
        True
    """
    if weight.ndim < 4:
        raise wrong_value("weight", tuple(weight.shape), "of shape (..., C_out, C_in, k_h, k_w)")
    height, width = weight.shape[-2:]
    if grid <= 2 * (max(height, width) - 1):
        raise wrong_value("grid", grid, f"more than {2 * (max(height, width) - 1)} points for this kernel")
    if height == width == 1:
        return gram_norm_bound(weight[..., 0, 0], steps)  # one matrix at every frequency
    phases = _phases(height, width, grid).to(weight.device)
    taps = weight.flatten(-2)
    real, imaginary = phases.real.to(weight.dtype), phases.imag.to(weight.dtype)
    symbols = torch.complex(taps @ real, taps @ imaginary)  # (..., C_out, C_in, frequencies)
    largest = gram_norm_bound(symbols.movedim(-1, -3), steps).amax(dim=-1)
    price = math.prod(math.cos(math.pi * (k - 1) / grid) if k > 1 else 1.0 for k in (height, width))
    return largest * (price**-0.5)


def weighted_norm_bound(weight: Tensor, weights: Tensor) -> float:
    """Upper bound of the norm from any positive weights w: |V|^2 <= max_i (|G| w)_i / w_i.

    |G| holds, for every pair of input channels, the sum of the absolute correlations of their filters over
    all offsets; its largest eigenvalue bounds |V|^2, and the quotient bounds that (Collatz-Wielandt). At
    w = 1 / aol_scale(raw) a layer rescaled by AOL gets 1, which is the theorem of Prach & Lampert 2022.

    Args:
        weight: dense (out, in) or convolutional (C_out, C_in, k_h, k_w).
        weights: shape (in,), positive.

    Example:
        >>> from ironbound.lipschitz.norms import aol_scale
        >>> raw = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
        >>> round(weighted_norm_bound(raw * aol_scale(raw), 1 / aol_scale(raw)), 9)
        1.0
    """
    exact, positive = weight.detach().double(), weights.detach().double()
    if not bool((positive > 0).all()):
        raise wrong_value("weights", positive.tolist(), "positive")
    quotients = (interactions(exact) @ positive) / positive
    return math.sqrt(max(0.0, float(quotients.max()))) * (1.0 + 1e-11)


def rounding_room(shape: torch.Size | tuple[int, ...]) -> float:
    """Relative room, in units of the dtype's eps, that covers storing a normalised weight of this shape.

    Rounding moves each entry by at most eps/2 of itself, which moves the operator by at most
    eps/2 sqrt(k_h k_w min(C_out, C_in)) of its norm; four times that is kept free.
    """
    return 2 * math.sqrt(math.prod(shape[2:]) * min(shape[:2]))


@lru_cache(maxsize=32)
def _phases(height: int, width: int, grid: int) -> Tensor:
    """exp(-i <t, offset>) over a half plane of frequencies, shape (k_h k_w, frequencies), complex128.

    Opposite frequencies of a real kernel have conjugate symbols. A direction in which the kernel has one
    tap needs one frequency.
    """
    rows = grid if height > 1 else 1
    columns = grid if width > 1 else 1
    down = torch.arange(rows, dtype=torch.float64)[:, None] * torch.arange(height) / rows
    kept = torch.arange(columns // 2 + 1, dtype=torch.float64)
    across = kept[:, None] * torch.arange(width) / columns
    angle = 2 * math.pi * (down[:, None, :, None] + across[None, :, None, :])
    return torch.polar(torch.ones_like(angle), -angle).reshape(-1, height * width).T.contiguous()
