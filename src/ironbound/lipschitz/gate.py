"""Learned convex combinations of parallel streams, with the factor that a channel-wise gate really has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, cast

import torch
from torch import Tensor, nn

from ironbound.errors import wrong_value
from ironbound.lipschitz.folding import Folded
from ironbound.lipschitz.ledger import Shape, Step, derive, rule

GateKind = Literal["stream", "channel"]


class StreamGate(nn.Module):
    """z = sum_b a_b G_b with a = softmax over the streams, one a per stream or one per stream and channel.

    One weight per stream is non-expansive. Weights per channel are not: their factor is
    sqrt(sum_b max_c a_bc), which lies between 1 and sqrt(streams) (math notes "Lipschitz", section 2.2).
    It is divided out, or, with `divide=False`, left for the ledger to state.

    Args:
        streams: how many, at least 1.
        channels: None for one weight per stream, else C for weights per channel.
        divide: whether the channel-wise factor is divided out.

    Example:
        >>> gate = StreamGate(2).eval()
        >>> round(float(gate([torch.tensor([1.0]), torch.tensor([3.0])])), 4)
        2.0
    """

    def __init__(self, streams: int, channels: int | None = None, *, divide: bool = True) -> None:
        super().__init__()
        if streams < 1:
            raise wrong_value("streams", streams, "at least 1")
        if channels is not None and channels < 1:
            raise wrong_value("channels", channels, "at least 1, or None for one weight per stream")
        self.raw = nn.Parameter(torch.zeros(streams) if channels is None else torch.zeros(streams, channels))
        self.divide = divide
        self._fold = Folded(_divided if divide and channels is not None else _convex, 4.0 * streams)

    @property
    def weight(self) -> Tensor:
        """The weights in use, shape (streams,) or (streams, C)."""
        return self._fold(self, self.raw)

    def final_weight(self) -> Tensor:
        return self._fold.final(self.raw)

    def forward(self, outputs: list[Tensor]) -> Tensor:
        total = torch.zeros_like(outputs[0])
        for weight, output in zip(self.weight, outputs, strict=True):
            total = total + (weight if weight.ndim == 0 else _over_channels(weight, output)) * output
        return total

    def factor(self, streams: list[float]) -> float:
        """Lipschitz bound of the combination of streams with these bounds.

        |sum_b a_bc g_bc|^2 <= (sum_b a_bc) sum_b a_bc |g_bc|^2 for each channel; summed over the channels,
        stream b counts with the largest of its a_bc sum_b' a_b'c.
        """
        weight = self.final_weight().double().abs()
        bounds = torch.tensor(streams, dtype=torch.float64)
        if weight.ndim == 1:
            value = float((weight * bounds).sum())
        else:
            value = math.sqrt(float(((weight * weight.sum(dim=0)).amax(dim=1) * bounds**2).sum()))
        return value * (1.0 + 1e-14)

    def extra_repr(self) -> str:
        return f"{tuple(self.raw.shape)}, divide={self.divide}"


class Streams(nn.Module):
    """Parallel modules on one input, joined by a gate.

    While `chosen` names a stream, that one alone answers, without the gate (auxiliary losses, ablations);
    where there is no stream of that name, the first one does.

    Args:
        streams: name -> module; all give outputs of one shape.
        gate: with as many weights as there are streams.

    Example:
        >>> both = Streams({"skip": nn.Identity(), "body": nn.ReLU()}, StreamGate(2)).eval()
        >>> bool((both(torch.tensor([[-2.0]])) + 1.0).abs() < 1e-6)
        True
    """

    def __init__(self, streams: Mapping[str, nn.Module], gate: StreamGate) -> None:
        super().__init__()
        if len(streams) != gate.raw.shape[0]:
            raise wrong_value("gate", gate.raw.shape[0], f"a gate of {len(streams)} streams")
        self.streams = nn.ModuleDict(streams)
        self.gate = gate
        self.chosen: str | None = None

    def alone(self) -> str | None:
        """Name of the stream that answers alone, None if all do."""
        if self.chosen is None or self.chosen in self.streams:
            return self.chosen
        return next(iter(self.streams))

    def forward(self, x: Tensor) -> Tensor:
        alone = self.alone()
        if alone is not None:
            return self.streams[alone](x)
        return self.gate([stream(x) for stream in self.streams.values()])


class ConvexResidual(nn.Module):
    """(1 - b) skip(x) + b body(x) with one learned b in (0, 1).

    Args:
        body: the residual branch.
        skip: the other one; the identity unless the shape changes.

    Example:
        >>> block = ConvexResidual(nn.Tanh()).eval()
        >>> float(block(torch.zeros(1, 2)).norm())
        0.0
    """

    def __init__(self, body: nn.Module, skip: nn.Module | None = None) -> None:
        super().__init__()
        self.skip = nn.Identity() if skip is None else skip
        self.body = body
        self.gate = StreamGate(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.gate([self.skip(x), self.body(x)])


def _convex(raw: Tensor) -> Tensor:
    return torch.softmax(raw, dim=0)


def _divided(raw: Tensor) -> Tensor:
    weight = _convex(raw)
    return weight / weight.amax(dim=1).sum().sqrt()


def _over_channels(weight: Tensor, output: Tensor) -> Tensor:
    return weight.reshape(-1, *([1] * (output.ndim - 2)))


@rule(Streams)
def _streams_rule(module: nn.Module, shape: Shape, name: str) -> Step:
    layer = cast(Streams, module)
    alone = layer.alone()
    if alone is not None:
        part = derive(layer.streams[alone], shape, f"{alone} stream")
        return Step(name, "one stream alone", part.factor, (part,))
    parts = tuple(derive(part, shape, f"{key} stream") for key, part in layer.streams.items())
    kind = "per stream" if layer.gate.raw.ndim == 1 else "per channel"
    factor = layer.gate.factor([part.factor for part in parts])
    return Step(name, f"convex gate {kind} over its streams", factor, parts)


@rule(ConvexResidual)
def _residual_rule(module: nn.Module, shape: Shape, name: str) -> Step:
    layer = cast(ConvexResidual, module)
    parts = (derive(layer.skip, shape, "skip"), derive(layer.body, shape, "body"))
    share = float(layer.gate.final_weight()[1])
    factor = layer.gate.factor([part.factor for part in parts])
    return Step(name, f"(1 - b) skip + b body, b = {share:.4f}", factor, parts)
