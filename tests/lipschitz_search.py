"""The adversarial search that every Lipschitz rule has to survive."""

from __future__ import annotations

import torch
from torch import nn

from ironbound.lipschitz.ledger import Shape


def largest_ratio(module: nn.Module, shape: Shape, starts: int = 32, steps: int = 150) -> float:
    """Gradient ascent on |f(x) - f(y)| / |x - y| from many starts, near and far apart."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.logspace(-2, 1, starts, dtype=torch.float64).reshape(-1, *([1] * len(shape)))
    x = (torch.randn(starts, *shape, generator=generator, dtype=torch.float64) * 2).requires_grad_(True)
    shift = torch.randn(starts, *shape, generator=generator, dtype=torch.float64) * spread
    shift.requires_grad_(True)
    optimiser = torch.optim.Adam([x, shift], lr=0.05)
    best = 0.0
    for _ in range(steps):
        ratio = (module(x + shift) - module(x)).flatten(1).norm(dim=1) / shift.flatten(1).norm(dim=1)
        best = max(best, float(torch.nan_to_num(ratio.detach()).max()))
        optimiser.zero_grad()
        (-ratio.clamp_min(1e-12).log().sum()).backward()
        optimiser.step()
    return best
