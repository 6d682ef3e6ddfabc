"""How far a float64 forward pass can lie from the exact one, layer by layer.

Each layer's own error is bounded by the running-error model (Higham 2002, chapter 3): an inner product of n
terms errs by gamma_n times the same inner product of absolute values. Errors of earlier layers pass through a
layer enlarged by its Lipschitz constant at most.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ironbound.errors import InputError
from ironbound.latent._rounding import gamma
from ironbound.lipschitz.groupsort import GroupSort

_EXACT = (
    nn.Identity,
    nn.Flatten,
    nn.Unflatten,
    nn.PixelUnshuffle,
    nn.PixelShuffle,
    nn.ReLU,
    GroupSort,
    nn.MaxPool2d,
)


def own_error(layer: nn.Module, x: Tensor) -> Tensor:
    """Bound (N,) on the length of the rounding error that one layer adds to a float64 batch x (N, ...).

    Raises:
        InputError: the layer's rounding is not known here; it is named.

    Example:
        >>> found = own_error(nn.Linear(2, 1).double(), torch.ones(3, 2, dtype=torch.float64))
        >>> tuple(found.shape), bool((found < 1e-14).all())
        ((3,), True)
    """
    if isinstance(layer, nn.Linear):
        bias = None if layer.bias is None else layer.bias.abs()
        size = functional.linear(x.abs(), layer.weight.abs(), bias)
        return _length(size) * gamma(layer.in_features + 4)
    if isinstance(layer, nn.Conv2d) and layer.padding_mode == "zeros":
        bias = None if layer.bias is None else layer.bias.abs()
        size = functional.conv2d(
            x.abs(), layer.weight.abs(), bias, layer.stride, layer.padding, layer.dilation, layer.groups
        )
        return _length(size) * gamma(layer.weight[0].numel() + 4)
    if isinstance(layer, nn.AvgPool2d):
        return _length(cast(Tensor, layer(x.abs()))) * gamma(x.shape[-1] * x.shape[-2] + 4)
    if isinstance(layer, _EXACT):
        return torch.zeros(len(x), dtype=torch.float64)
    raise InputError(
        f"the rounding of {type(layer).__name__} is not bounded here; an encoder may use Linear, Conv2d "
        f"(zero padding), AvgPool2d, {', '.join(kind.__name__ for kind in _EXACT)}, and what lipschitz."
        "export_plain turns into these"
    )


def _length(size: Tensor) -> Tensor:
    """2-norms (N,) of entries that are themselves rounded, with room for that."""
    return size.flatten(1).norm(dim=1) * (1.0 + 1e-9) + 1e-300
