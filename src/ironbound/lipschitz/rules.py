"""Lipschitz rules of the common torch layers. Each is an upper bound for every input, in eval mode."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import nn

from ironbound.errors import InputError
from ironbound.lipschitz.ledger import Shape, Step, rule
from ironbound.lipschitz.norms import conv2d_norm_bound, dense_norm_bound

# Largest slopes of SiLU (at 2.3994) and of GELU (at sqrt 2), rounded up; tests search for larger ones.
_SILU_SLOPE = 1.09985
_GELU_SLOPE = 1.12905


@rule(nn.Identity, nn.Flatten, nn.Unflatten, nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle)
def _isometry(module: nn.Module, shape: Shape, name: str) -> Step:
    return Step(name, "reorders entries", 1.0)


@rule(nn.ReLU, nn.ReLU6, nn.Tanh, nn.Hardtanh, nn.Softsign, nn.Softshrink, nn.LogSigmoid)
def _slope_at_most_one(module: nn.Module, shape: Shape, name: str) -> Step:
    return Step(name, "slope at most 1", 1.0)


@rule(nn.Sigmoid)
def _sigmoid(module: nn.Module, shape: Shape, name: str) -> Step:
    return Step(name, "slope at most 1/4", 0.25)


@rule(nn.Softplus)
def _softplus(module: nn.Module, shape: Shape, name: str) -> Step:
    layer = cast(nn.Softplus, module)
    # Torch answers x itself beyond the threshold, and so jumps there by log(1 + exp(-threshold)) / beta: at
    # the default of 20 less than a unit in the last place of float32, which no constant here covers anyway.
    if not (layer.beta > 0 and layer.threshold >= 20):
        raise InputError(
            f"{name}: Softplus with beta {layer.beta} and threshold {layer.threshold} jumps at its "
            "threshold; only beta > 0 and a threshold of at least 20 have a rule"
        )
    return Step(name, "slope at most 1", 1.0)


@rule(nn.SiLU)
def _silu(module: nn.Module, shape: Shape, name: str) -> Step:
    return Step(name, "largest slope of x sigmoid(x)", _SILU_SLOPE)


@rule(nn.GELU)
def _gelu(module: nn.Module, shape: Shape, name: str) -> Step:
    # The tanh approximation differs from the exact GELU in the fourth digit of its slope.
    return Step(name, "largest slope of x Phi(x)", _GELU_SLOPE)


@rule(nn.LeakyReLU)
def _leaky(module: nn.Module, shape: Shape, name: str) -> Step:
    slope = abs(cast(nn.LeakyReLU, module).negative_slope)
    return Step(name, "max(1, |negative slope|)", max(1.0, slope))


@rule(nn.ELU, nn.CELU)
def _elu(module: nn.Module, shape: Shape, name: str) -> Step:
    # ELU's slope at 0- is alpha; CELU's is at most 1 for alpha > 0, and grows exponentially for others.
    alpha = abs(float(cast(nn.ELU, module).alpha))
    if isinstance(module, nn.CELU):
        if not module.alpha > 0:
            raise InputError(f"{name}: CELU has a bounded slope for alpha > 0 only; alpha is {module.alpha}")
        alpha = 1.0
    return Step(name, "max(1, |alpha|)", max(1.0, alpha))


@rule(nn.PReLU)
def _prelu(module: nn.Module, shape: Shape, name: str) -> Step:
    slope = float(cast(nn.PReLU, module).weight.detach().abs().max())
    return Step(name, "max(1, |learned slope|)", max(1.0, slope))


@rule(nn.Softmax)
def _softmax(module: nn.Module, shape: Shape, name: str) -> Step:
    return Step(name, "Jacobian diag(p) - p p^T has norm at most 1/2", 0.5)


@rule(nn.Linear)
def _linear(module: nn.Module, shape: Shape, name: str) -> Step:
    return Step(name, "largest singular value", dense_norm_bound(cast(nn.Linear, module).weight))


@rule(nn.Conv2d)
def _conv2d(module: nn.Module, shape: Shape, name: str) -> Step:
    layer = cast(nn.Conv2d, module)
    reach = tuple(d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True))
    if layer.padding_mode == "zeros":
        padding = "same"
    elif layer.padding_mode == "circular" and _within_one_period(layer, reach):
        padding = "circular"
    else:
        raise InputError(
            f"{name}: padding {layer.padding!r} in mode {layer.padding_mode!r} repeats pixels, and no bound "
            "is known here; use zeros, or circular padding of at most half the reach of the kernel"
        )
    value = conv2d_norm_bound(
        layer.weight,
        (shape[-2], shape[-1]),
        padding=padding,
        stride=cast("tuple[int, int]", layer.stride),
        dilation=cast("tuple[int, int]", layer.dilation),
        groups=layer.groups,
    )
    return Step(name, f"largest symbol norm, {padding} padding, input {shape[-2]}x{shape[-1]}", value)


def _within_one_period(layer: nn.Conv2d, reach: tuple[int, ...]) -> bool:
    """Whether each output of the circularly padded layer is a different output of the circular operator."""
    if isinstance(layer.padding, str):
        return True
    return all(2 * p <= r for p, r in zip(layer.padding, reach, strict=True))


@rule(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
def _batch_norm(module: nn.Module, shape: Shape, name: str) -> Step:
    layer = cast(nn.BatchNorm2d, module)
    if layer.training or layer.running_var is None:
        raise InputError(
            f"{name}: batch normalisation depends on the batch in training mode; call eval() first"
        )
    scale = torch.ones_like(layer.running_var) if layer.weight is None else layer.weight.detach().abs()
    value = float((scale.double() / (layer.running_var.double() + layer.eps).sqrt()).max())
    return Step(name, "max |gamma| / sqrt(var + eps)", value * (1.0 + 1e-12))


@rule(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
def _dropout(module: nn.Module, shape: Shape, name: str) -> Step:
    if module.training:
        raise InputError(f"{name}: dropout is random in training mode; call eval() first")
    return Step(name, "identity in eval mode", 1.0)


def _windows(kernel: object, stride: object) -> tuple[int, int, int]:
    """(area of a window, number of windows that can share one pixel, 1 if they are disjoint)."""

    def pair(value: object) -> tuple[int, int]:
        return (value, value) if isinstance(value, int) else cast("tuple[int, int]", value)

    sides = pair(kernel)
    steps = sides if stride is None else pair(stride)
    shared = math.prod(math.ceil(k / s) for k, s in zip(sides, steps, strict=True))
    return math.prod(sides), shared, int(shared == 1)


@rule(nn.MaxPool2d)
def _max_pool(module: nn.Module, shape: Shape, name: str) -> Step:
    layer = cast(nn.MaxPool2d, module)
    if layer.dilation not in (1, (1, 1)):
        raise InputError(f"{name}: max pooling with dilation {layer.dilation} has no rule")
    _, shared, disjoint = _windows(layer.kernel_size, layer.stride)
    text = "maximum over disjoint windows" if disjoint else f"a pixel is in up to {shared} windows"
    return Step(name, text, math.sqrt(shared) * (1.0 + 2.0**-50))


@rule(nn.AvgPool2d)
def _average_pool(module: nn.Module, shape: Shape, name: str) -> Step:
    layer = cast(nn.AvgPool2d, module)
    area, shared, _ = _windows(layer.kernel_size, layer.stride)
    padded = layer.padding not in (0, (0, 0)) or layer.ceil_mode
    if (padded and not layer.count_include_pad) or layer.divisor_override or layer.ceil_mode:
        raise InputError(f"{name}: average pooling that divides by fewer pixels at the border has no rule")
    return Step(
        name, f"mean of {area} pixels, each in up to {shared} windows", math.sqrt(shared / area) * (1 + 1e-15)
    )


@rule(nn.AdaptiveAvgPool2d)
def _global_pool(module: nn.Module, shape: Shape, name: str) -> Step:
    layer = cast(nn.AdaptiveAvgPool2d, module)
    if layer.output_size not in (1, (1, 1)):
        raise InputError(
            f"{name}: adaptive pooling to {layer.output_size} has no rule; only the global mean has"
        )
    area = shape[-2] * shape[-1]
    return Step(name, f"mean of all {area} pixels", 1.0 / math.sqrt(area) * (1.0 + 1e-15))
