"""Masks that are torch networks, for adaptive smoothing: how they are used, and how they are trained.

The law of `AdaptiveGaussian` holds for every mask, so nothing here needs a proof: a bad mask costs accuracy.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ironbound.channels import AdaptiveGaussian
from ironbound.errors import InputTypeError


class TorchMask:
    """A mask for `AdaptiveGaussian` from a torch module: logits, squashed into (0, 1).

    The module runs in eval mode, so that each row is masked on its own. Equal weights are equal masks.

    Args:
        module: images (B, *shape) -> logits (B, *shape) of the mask.
    Raises:
        InputTypeError: not a torch module.

    Example:
        >>> mask = TorchMask(torch.nn.Identity())
        >>> mask(np.zeros((2, 1, 2, 2), dtype=np.float32)).tolist()[0]
        [[[0.5, 0.5], [0.5, 0.5]]]
    """

    def __init__(self, module: nn.Module) -> None:
        if not isinstance(module, nn.Module):
            raise InputTypeError(f"module must be a torch.nn.Module; got {type(module).__name__}")
        self.module = module
        self.digest = _digest(module)

    def __call__(self, seen: Any) -> Any:
        first = next(self.module.parameters(), None)
        kind = torch.float32 if first is None else first.dtype
        training = [part for part in self.module.modules() if part.training]
        try:
            for part in training:
                part.training = False
            with torch.no_grad():
                logits = self.module(torch.from_numpy(np.asarray(seen)).to(kind))
                return torch.sigmoid(logits).double().numpy()
        finally:
            for part in training:
                part.training = True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TorchMask) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"TorchMask({type(self.module).__name__}, {self.digest[:12]})"


def released(x: Tensor, module: nn.Module, channel: AdaptiveGaussian, generator: torch.Generator) -> Tensor:
    """What the channel would show of a batch, differentiable in the mask network; for training.

    Args:
        x: images (B, *shape).
        module: the mask network, in training.
        channel: its sigmas and its norm; its own mask is not asked.
        generator: draws the noise of both stages.

    Example:
        >>> net = nn.Conv2d(1, 1, 3, padding=1)
        >>> channel = AdaptiveGaussian(1.0, 0.5, TorchMask(net), "net", "linf", 16)
        >>> shown = released(torch.zeros(3, 1, 4, 4), net, channel, torch.Generator().manual_seed(0))
        >>> tuple(shown.shape), shown.requires_grad
        ((3, 1, 4, 4), True)
    """
    seen = x + channel.first * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    mask = torch.sigmoid(module(seen))
    flat = mask.flatten(1)
    sigma = torch.full((len(x),), channel.second, dtype=x.dtype)
    if channel.norm == "linf":
        sigma = channel.second * flat.square().mean(dim=1).clamp_min(1e-6).sqrt()
    sigma = sigma.reshape(-1, *(1,) * (x.dim() - 1))
    masked = mask * x + sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    weight = (channel.first / sigma) ** 2
    return (seen + weight * mask * masked) / (1.0 + weight * mask**2)


def _digest(module: nn.Module) -> str:
    found = hashlib.sha256(repr(module).encode())
    for name, value in sorted(module.state_dict().items()):
        found.update(name.encode())
        found.update(np.ascontiguousarray(value.detach().cpu().numpy()).tobytes())
    return found.hexdigest()
