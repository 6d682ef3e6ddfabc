"""A randomised network under randomised smoothing: internal draws as a channel of their own.

The channel "internal" holds zeros, its noise is N(0, 1), and no attacker reaches it: so every vote is one
draw of input noise and internal randomness together, both addressed by (seed, input id, number), and
Cohen's bound holds for the vote over both. The certificate lists the channel as noised and not attacked.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ironbound.channels import Gaussian, Smoothing
from ironbound.lipschitz.blocks import internal_size
from ironbound.lipschitz.noise import sources

INTERNAL = "internal"


class RandomisedBase(nn.Module):
    """A base classifier for `SmoothedClassifier`: the network, with its internal draws taken from the batch.

    Args:
        net: built with draws="sample"; a network that is not random is welcome too.
        shape: of one input.
        channel: name of the attacked input.

    Example:
        >>> base = RandomisedBase(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), (1, 2, 2))
        >>> base.size, tuple(base({"image": torch.zeros(3, 1, 2, 2)}).shape)
        (0, (3, 2))
    """

    def __init__(self, net: nn.Module, shape: tuple[int, ...], channel: str = "image") -> None:
        super().__init__()
        self.net = net.eval()
        self.channel = channel
        self.size = internal_size(net, shape)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Logits (B, C) of {channel: (B, ...), "internal": (B, size)}; no "internal" if size is 0."""
        x = batch[self.channel]
        if self.size == 0:
            return self.net(x)
        with sources(self.net)[0].supplied(batch[INTERNAL]):
            return self.net(x)

    def smoothing(self, sigma: float, **gaussian: Any) -> Smoothing:
        """Noise on the input, and N(0, 1) in place of the zeros of the internal channel."""
        channels = {self.channel: Gaussian(sigma, **gaussian)}
        if self.size:
            channels[INTERNAL] = Gaussian(1.0, unit="standard deviations of internal draws")
        return Smoothing(**channels)

    def inputs(self, x: Any) -> dict[str, Any]:
        """One input with its internal channel of zeros."""
        found = {self.channel: x}
        if self.size:
            found[INTERNAL] = torch.zeros(self.size).numpy()
        return found
