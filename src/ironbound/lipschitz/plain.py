"""Export of a network whose normalised layers are replaced by plain torch layers with the same weights."""

from __future__ import annotations

import copy

from torch import nn

from ironbound.lipschitz.orthogonal import OrthogonalMix
from ironbound.lipschitz.spectral import SpectralConv2d, SpectralLinear


def export_plain(module: nn.Module) -> nn.Module:
    """A copy in eval mode with plain convolutions and dense layers; it gives the very same outputs.

    Spectral layers and orthogonal mixes become `torch.nn.Conv2d` and `torch.nn.Linear`. Random layers,
    gates and frequency masks have no plain counterpart and are copied as they are, with the state of their
    streams, so that copy and original draw the same numbers from here on.

    Example:
        >>> import torch
        >>> plain = export_plain(nn.Sequential(SpectralLinear(4, 3), nn.ReLU()))
        >>> [type(part).__name__ for part in plain]
        ['Linear', 'ReLU']
    """
    return _replaced(copy.deepcopy(module)).eval()


def _replaced(module: nn.Module) -> nn.Module:
    if isinstance(module, SpectralConv2d | SpectralLinear | OrthogonalMix):
        return module.plain()
    for name, part in list(module.named_children()):
        setattr(module, name, _replaced(part))
    return module
