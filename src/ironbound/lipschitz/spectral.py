"""Convolution and dense layers of operator norm at most 1, at every step of training.

The norm is divided out by an upper bound, never by a power iteration, which approaches from below.
Sources: Delattre et al. 2023 (arXiv 2305.16173), Prach & Lampert 2022 (arXiv 2208.03160).
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ironbound.errors import wrong_value
from ironbound.lipschitz.folding import Folded
from ironbound.lipschitz.kernels import rounding_room, torus_norm_bound, weighted_norm_bound
from ironbound.lipschitz.ledger import Shape, Step, rule
from ironbound.lipschitz.norms import aol_scale, conv2d_norm_bound, dense_norm_bound, gram_norm_bound

Method = Literal["aol", "gram"]
PaddingMode = Literal["zeros", "circular"]


class SpectralConv2d(nn.Module):
    """Convolution with |K|_2 <= 1 at every input size: (B, C_in, H, W) -> (B, C_out, H', W'), padded "same".

    Args:
        in_channels, out_channels, stride: as in `torch.nn.Conv2d`.
        kernel_size: odd.
        padding_mode: "zeros" or "circular".
        bias: whether a bias is learned; it has no part in the norm.
        method: "aol" rescales every input channel (cheap); "gram" divides by a bound of the norm (tighter for
            general kernels, dearer for many channels).
        generator: for the initial weights; a layer starts as a near isometry.
    Raises:
        InputError: an even kernel, or an unknown option.

    Example:
        >>> layer = SpectralConv2d(2, 4, 3, generator=torch.Generator().manual_seed(0)).eval()
        >>> x = torch.randn(1, 2, 6, 6)
        >>> bool((layer(x) - layer(0 * x)).norm() <= x.norm())
        True
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        stride: int = 1,
        padding_mode: PaddingMode = "zeros",
        bias: bool = True,
        method: Method = "aol",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise wrong_value("kernel_size", kernel_size, "odd, so that both sides are padded alike")
        if padding_mode not in ("zeros", "circular"):
            raise wrong_value("padding_mode", padding_mode, '"zeros" or "circular"')
        self.padding = kernel_size // 2
        self.padding_mode: PaddingMode = padding_mode
        self.stride = stride
        self.method: Method = _checked(method)
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        self.raw = nn.Parameter(_near_isometry(shape, generator))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self._fold = Folded(_by_aol if method == "aol" else _conv_by_gram, rounding_room(shape))

    @property
    def weight(self) -> Tensor:
        """The normalised weight: differentiable in training, frozen and computed in float64 in eval mode."""
        return self._fold(self, self.raw)

    def final_weight(self) -> Tensor:
        return self._fold.final(self.raw)

    def forward(self, x: Tensor) -> Tensor:
        if self.padding_mode == "circular" and self.padding:
            x = functional.pad(x, [self.padding] * 4, mode="circular")
            return functional.conv2d(x, self.weight, self.bias, self.stride)
        return functional.conv2d(x, self.weight, self.bias, self.stride, self.padding)

    def plain(self) -> nn.Conv2d:
        """The same map in eval mode, as a plain torch layer."""
        outputs, inputs, size, _ = self.raw.shape
        layer = nn.Conv2d(
            inputs,
            outputs,
            size,
            stride=self.stride,
            padding=self.padding,
            padding_mode=self.padding_mode,
            bias=self.bias is not None,
        )
        return cast(nn.Conv2d, _filled(layer, self.final_weight(), self.bias))

    def extra_repr(self) -> str:
        outputs, inputs, size, _ = self.raw.shape
        text = f"{inputs}, {outputs}, kernel_size={size}, stride={self.stride}"
        return f"{text}, padding_mode={self.padding_mode}, method={self.method}"


class SpectralLinear(nn.Module):
    """Dense layer with |W|_2 <= 1: (..., in) -> (..., out).

    Args:
        in_features, out_features, bias: as in `torch.nn.Linear`.
        method, generator: as in `SpectralConv2d`.

    Example:
        >>> layer = SpectralLinear(6, 3, generator=torch.Generator().manual_seed(0)).eval()
        >>> bool(layer.weight.norm(dim=1).max() <= 1)
        True
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        method: Method = "gram",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.method: Method = _checked(method)
        shape = (out_features, in_features)
        self.raw = nn.Parameter(_near_isometry(shape, generator))
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None
        self._fold = Folded(_by_aol if method == "aol" else _dense_by_gram, rounding_room(shape))

    @property
    def weight(self) -> Tensor:
        return self._fold(self, self.raw)

    def final_weight(self) -> Tensor:
        return self._fold.final(self.raw)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight, self.bias)

    def plain(self) -> nn.Linear:
        outputs, inputs = self.raw.shape
        layer = nn.Linear(inputs, outputs, bias=self.bias is not None)
        return cast(nn.Linear, _filled(layer, self.final_weight(), self.bias))

    def extra_repr(self) -> str:
        return f"{self.raw.shape[1]}, {self.raw.shape[0]}, method={self.method}"


def _checked(method: Method) -> Method:
    if method not in ("aol", "gram"):
        raise wrong_value("method", method, '"aol" or "gram"')
    return method


def _near_isometry(shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
    """Orthonormal rows or columns in the middle tap, and a little noise, so that all taps learn."""
    weight = torch.empty(shape).normal_(0.0, 0.02 / shape[-1], generator=generator)
    centre = nn.init.orthogonal_(torch.empty(shape[:2]), generator=generator)
    if len(shape) == 2:
        return centre
    weight[:, :, shape[2] // 2, shape[3] // 2] += centre
    return weight


def _by_aol(raw: Tensor) -> Tensor:
    scale = aol_scale(raw)
    return raw * (scale if raw.ndim == 2 else scale[None, :, None, None])


def _conv_by_gram(raw: Tensor) -> Tensor:
    return raw / torus_norm_bound(raw)


def _dense_by_gram(raw: Tensor) -> Tensor:
    return raw / gram_norm_bound(raw)


def _filled(layer: nn.Conv2d | nn.Linear, weight: Tensor, bias: Tensor | None) -> nn.Module:
    layer = layer.to(device=weight.device, dtype=weight.dtype)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if layer.bias is not None and bias is not None:
            layer.bias.copy_(bias)
    return layer.eval()


@rule(SpectralConv2d)
def _conv_rule(module: nn.Module, shape: Shape, name: str) -> Step:
    """The smallest of the bounds that hold, each from the finished weight: one of them is at most 1."""
    layer = cast(SpectralConv2d, module)
    weight = layer.final_weight()
    padding = "same" if layer.padding_mode == "zeros" else "circular"
    here = conv2d_norm_bound(weight, (shape[-2], shape[-1]), padding=padding, stride=layer.stride)
    if layer.method == "aol":
        anywhere = weighted_norm_bound(weight, 1 / aol_scale(layer.raw.detach().double()))
    else:
        anywhere = float(torus_norm_bound(weight.double())) * (1.0 + 1e-11)
    text = f"normalised by {layer.method}; norm on {shape[-2]}x{shape[-1]}, {padding} padding"
    return Step(name, text, min(here, anywhere))


@rule(SpectralLinear)
def _linear_rule(module: nn.Module, shape: Shape, name: str) -> Step:
    layer = cast(SpectralLinear, module)
    value = dense_norm_bound(layer.final_weight())
    return Step(name, f"normalised by {layer.method}; largest singular value", value)
