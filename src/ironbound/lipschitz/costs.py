"""What a network costs: parameters and multiply-adds per input, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ironbound.errors import wrong_value
from ironbound.lipschitz.frequency import LowPassDCT
from ironbound.lipschitz.gate import StreamGate
from ironbound.lipschitz.noise import undisturbed
from ironbound.lipschitz.orthogonal import OrthogonalMix
from ironbound.lipschitz.projection import RandomProjectionConv2d
from ironbound.lipschitz.rani import RANI
from ironbound.lipschitz.spectral import SpectralConv2d, SpectralLinear

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Cost:
    """Parameters of a network, and multiply-adds of one forward pass for one input, by type of layer.

    Counted are products of weights with signals, in eval mode with folded weights; additions of biases,
    sorting, gates and the drawing of random numbers are not. Layers that the count does not know are named
    in `uncounted`, unless they have no products at all.
    """

    parameters: int
    multiply_adds: int
    by_type: tuple[tuple[str, int], ...]
    uncounted: tuple[str, ...]


def cost(module: nn.Module, input_shape: Shape) -> Cost:
    """Count the cost of one forward pass for an input of this shape (without the batch axis).

    Example:
        >>> found = cost(nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU()), (1, 8, 8))
        >>> found.parameters, found.multiply_adds  # 4 * 9 + 4; 4 * 9 * 64
        (40, 2304)
    """
    if not input_shape or min(input_shape) < 1:
        raise wrong_value("input_shape", input_shape, "the sizes of one input, each at least 1")
    found: dict[str, int] = {}
    unknown: set[str] = set()

    def note(part: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
        name = type(part).__name__
        count = _COUNTS.get(type(part))
        if count is not None:
            found[name] = found.get(name, 0) + count(part, arguments[0][0], output[0])
        elif any(True for _ in part.parameters(recurse=False)) and not isinstance(part, _CHEAP):
            unknown.add(name)

    hooks = [part.register_forward_hook(note) for part in module.modules()]
    like = next(module.parameters(), torch.zeros(1))
    modes = [(part, part.training) for part in module.modules()]
    try:
        module.eval()
        with torch.no_grad(), undisturbed(module):
            module(torch.zeros(1, *input_shape, dtype=like.dtype, device=like.device))
    finally:
        for hook in hooks:
            hook.remove()
        for part, mode in modes:
            part.training = mode
    return Cost(
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        multiply_adds=sum(found.values()),
        by_type=tuple(sorted(found.items())),
        uncounted=tuple(sorted(unknown)),
    )


def _convolution(part: nn.Module, x: Tensor, y: Tensor) -> int:
    weight = cast(Tensor, part.raw if isinstance(part, SpectralConv2d) else part.weight)
    return math.prod(weight.shape[1:]) * y.numel()


def _dense(part: nn.Module, x: Tensor, y: Tensor) -> int:
    return x.shape[-1] * y.numel()


def _mix(part: nn.Module, x: Tensor, y: Tensor) -> int:
    return x.shape[0] * y.numel()


def _low_pass(part: nn.Module, x: Tensor, y: Tensor) -> int:
    """Two matrix products there, two back, and the mask."""
    return x.numel() * (2 * x.shape[-2] + 2 * x.shape[-1] + 1)


def _projection(part: nn.Module, x: Tensor, y: Tensor) -> int:
    """The convolution, and the correlations that normalise the filters of one draw."""
    groups, outputs, inputs, size, _ = cast(RandomProjectionConv2d, part).shape
    correlations = groups * inputs * inputs * (2 * size - 1) ** 2 * outputs * size * size
    return inputs * size * size * y.numel() + correlations


def _injection(part: nn.Module, x: Tensor, y: Tensor) -> int:
    layer = cast(RANI, part)
    spatial = 9 * math.prod(x.shape[1:]) if layer.smooth is not None and x.ndim > 1 else 0
    return 2 * layer.squeeze.numel() + spatial + 2 * y.numel()


_COUNTS: dict[type[nn.Module], Callable[[nn.Module, Tensor, Tensor], int]] = {
    nn.Conv2d: _convolution,
    SpectralConv2d: _convolution,
    nn.Linear: _dense,
    SpectralLinear: _dense,
    OrthogonalMix: _mix,
    LowPassDCT: _low_pass,
    RandomProjectionConv2d: _projection,
    RANI: _injection,
}
# A product per entry and a gate: not worth a line.
_CHEAP = (nn.BatchNorm1d, nn.BatchNorm2d, nn.PReLU, StreamGate)
