"""Randomised attention-noise injection: a random mask that never looks at its input.

Source: Dhar et al., HyCAS, ICLR 2026 (arXiv 2605.01519).
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ironbound.errors import wrong_value
from ironbound.lipschitz.ledger import Shape, Step, rule
from ironbound.lipschitz.noise import Draws, Noise, check_draws, rows

Mode = Literal["residual", "normalized"]


class RANI(nn.Module):
    """(I + D) h with D = diag(M), M in [0, 1] random: (B, C, H, W) -> (B, C, H, W), or (B, C) -> (B, C).

    M = channel mask x spatial mask. Each is a sigmoid of a small learned map of N(0, I) noise, drawn in
    every forward pass, in training and in evaluation. M does not depend on h, so for each draw the map is
    linear with norm 1 + max M <= 2 ("residual", as published), or half of that <= 1 ("normalized").

    Args:
        channels: C.
        noise: where the draws come from.
        mode: "residual" or "normalized".
        draws: "sample" for a mask per row of the batch, "batch" for one mask per forward pass.
        spatial: whether the mask varies over pixels as well.
        generator: for the initial weights. Masks start near 1, so that little of the signal is lost.

    Example:
        >>> layer = RANI(3, noise=Noise(0), mode="normalized")
        >>> h = torch.ones(2, 3, 4, 4)
        >>> bool((layer(h) <= h).all()), torch.equal(layer(h), layer(h))
        (True, False)
    """

    def __init__(
        self,
        channels: int,
        *,
        noise: Noise,
        mode: Mode = "normalized",
        draws: Draws = "sample",
        spatial: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if channels < 1:
            raise wrong_value("channels", channels, "at least 1")
        if mode not in ("residual", "normalized"):
            raise wrong_value("mode", mode, '"residual" or "normalized"')
        self.mode: Mode = mode
        self.noise = noise
        self.draws: Draws = check_draws(draws)
        self._site = noise.register()
        hidden = max(4, channels // 4)
        self.squeeze = _normal((hidden, channels), channels**-0.5, generator)
        self.excite = _normal((channels, hidden), hidden**-0.5, generator)
        self.channel_bias = nn.Parameter(torch.full((channels,), 2.0))
        self.smooth: nn.Parameter | None = None
        if spatial:
            self.smooth = _normal((1, 1, 3, 3), 1 / 3, generator)
            self.spatial_bias = nn.Parameter(torch.full((1,), 2.0))

    def mask(self, count: int, h: Tensor) -> Tensor:
        """`count` draws of M, broadcastable against h: (count, C, H, W) or (count, C)."""
        channels = self.squeeze.shape[1]
        omega = self.noise.normal(self._site, (count, channels), h)
        inner = functional.relu(functional.linear(omega, self.squeeze))
        mask = torch.sigmoid(functional.linear(inner, self.excite, self.channel_bias))
        if h.ndim == 2:
            return mask
        mask = mask[:, :, None, None]
        if self.smooth is None:
            return mask
        field = self.noise.normal(self._site, (count, 1, *h.shape[2:]), h)
        return mask * torch.sigmoid(functional.conv2d(field, self.smooth, self.spatial_bias, padding=1))

    def forward(self, h: Tensor) -> Tensor:
        gain = 1.0 + self.mask(rows(self.draws, h.shape[0]), h)
        return h * (gain / 2 if self.mode == "normalized" else gain)

    def extra_repr(self) -> str:
        return f"{self.squeeze.shape[1]}, mode={self.mode}, draws={self.draws}"


def _normal(shape: tuple[int, ...], spread: float, generator: torch.Generator | None) -> nn.Parameter:
    return nn.Parameter(torch.empty(shape).normal_(0.0, spread, generator=generator))


@rule(RANI)
def _rani_rule(module: nn.Module, shape: Shape, name: str) -> Step:
    """The supremum over every draw: the sigmoid of a large draw comes as close to 1 as one likes."""
    layer = cast(RANI, module)
    if layer.mode == "normalized":
        return Step(name, "(I + D) / 2, mask in [0, 1] that does not look at its input", 1.0)
    return Step(name, "I + D, mask in [0, 1] that does not look at its input", 2.0)
