"""Weights computed from parameters: anew with gradients in training, once and in float64 for evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ironbound.lipschitz.norms import ROUNDING_MARGIN


class Folded:
    """Remembers the weight that a layer evaluates with, until its parameters change.

    Layers normalise in the precision of their parameters while they train. What they evaluate with, and what
    the ledger measures, is computed in float64, given away a little room for the last rounding, and kept.

    Example:
        >>> layer = nn.Linear(2, 2).eval()
        >>> fold = Folded(lambda w: w / w.norm())
        >>> fold(layer, layer.weight) is fold(layer, layer.weight)
        True
        >>> layer.train()
        Linear(in_features=2, out_features=2, bias=True)
        >>> fold(layer, layer.weight).requires_grad
        True
    """

    def __init__(self, compute: Callable[[Tensor], Tensor], room: float = 0.0) -> None:
        self._compute = compute
        self._room = room
        self._key: tuple[Any, ...] | None = None
        self._kept: Tensor | None = None

    def __call__(self, owner: nn.Module, raw: Tensor) -> Tensor:
        if not owner.training:
            return self.final(raw)
        self._kept = None  # whatever training changes, by whatever way, is seen afterwards
        return self._compute(raw)

    def final(self, raw: Tensor) -> Tensor:
        """The weight of eval mode, detached, in the dtype of `raw`."""
        # Optimisers and loaders write in place and raise the version; moves and casts change the rest.
        key = (raw._version, raw.data_ptr(), raw.dtype, raw.device)
        if self._kept is None or key != self._key:
            with torch.no_grad():
                exact = self._compute(raw.detach().double())
                # A few units in the last place of the dtype asked for (`kernels.rounding_room`), and what
                # the ledger adds on top when it measures the result.
                room = self._room * torch.finfo(raw.dtype).eps + 4 * ROUNDING_MARGIN
                self._kept = (exact * (1.0 - room)).to(raw.dtype)
            self._key = key
        return self._kept

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_key": None, "_kept": None}
