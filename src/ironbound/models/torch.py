"""Adapter from a dict of batches to a torch module."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch

from ironbound.errors import InputError, InputTypeError


class TorchClassifier:
    """Calls a torch module in eval mode, without gradients, on its own device and in its own precision.

    The training flag of every submodule is put back after each call, also when the module raises.

    Args:
        module: returns scores (B, C) or labels (B,).
        arguments: names of the channels that `forward` takes, in its order; None if it takes the dict itself.
        device: where to run; None for where the module's first parameter or buffer lies.
    Raises:
        InputTypeError: not a torch module.

    Example:
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2)).train()
        >>> base = TorchClassifier(net, arguments=["image"])
        >>> tuple(base({"image": np.zeros((5, 2, 2))}).shape), net.training
        ((5, 2), True)
    """

    def __init__(
        self,
        module: torch.nn.Module,
        *,
        arguments: Sequence[str] | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        if not isinstance(module, torch.nn.Module):
            raise InputTypeError(f"module must be a torch.nn.Module; got {type(module).__name__}")
        self.module = module
        self.arguments = None if arguments is None else tuple(arguments)
        self.device = None if device is None else torch.device(device)

    def __call__(self, batch: dict[str, Any]) -> Any:
        own = next(chain(self.module.parameters(), self.module.buffers()), None)
        device = self.device or (torch.device("cpu") if own is None else own.device)
        if self.device is not None and own is not None and own.device != self.device:
            self.module.to(self.device)
        floating = next((p.dtype for p in self.module.parameters() if p.is_floating_point()), None)
        tensors = {name: _tensor(value, device, floating) for name, value in batch.items()}
        training = [part for part in self.module.modules() if part.training]
        try:
            for part in training:
                part.training = False
            with torch.no_grad():
                if self.arguments is None:
                    return self.module(tensors)
                return self.module(*(self._pick(tensors, name) for name in self.arguments))
        finally:
            for part in training:
                part.training = True

    @staticmethod
    def _pick(tensors: dict[str, torch.Tensor], name: str) -> torch.Tensor:
        if name not in tensors:
            raise InputError(f"arguments names the channel {name!r}; the input has {sorted(tensors)}")
        return tensors[name]


def _tensor(value: Any, device: torch.device, floating: torch.dtype | None) -> torch.Tensor:
    tensor = value if isinstance(value, torch.Tensor) else torch.from_numpy(np.ascontiguousarray(value))
    if tensor.is_floating_point() and floating is not None:
        return tensor.to(device=device, dtype=floating)
    return tensor.to(device=device)
