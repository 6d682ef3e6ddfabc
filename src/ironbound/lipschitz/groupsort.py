"""Activations that keep the norm of gradients (Anil et al. 2019, arXiv 1811.05381)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from ironbound.errors import InputError, wrong_value
from ironbound.lipschitz.ledger import Shape, Step, rule


class GroupSort(nn.Module):
    """Sorts the channels in groups of `size`, ascending: (B, C, ...) -> (B, C, ...). MaxMin is size 2.

    Sorting is 1-Lipschitz, since it is the same permutation near almost every point.

    Args:
        size: channels per group, at least 2; it has to divide C.

    Example:
        >>> GroupSort(2)(torch.tensor([[3.0, 1.0, 2.0, 4.0]]))
        tensor([[1., 3., 2., 4.]])
    """

    def __init__(self, size: int = 2) -> None:
        super().__init__()
        if size < 2:
            raise wrong_value("size", size, "at least 2 channels per group")
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        self.check(x.shape[1])
        groups = x.unflatten(1, (-1, self.size))
        if self.size == 2:
            first, second = groups.unbind(2)
            ordered = [torch.minimum(first, second), torch.maximum(first, second)]
            return torch.stack(ordered, dim=2).flatten(1, 2)
        return groups.sort(dim=2).values.flatten(1, 2)

    def check(self, channels: int) -> None:
        if channels % self.size:
            raise InputError(f"{channels} channels cannot be sorted in groups of {self.size}")

    def extra_repr(self) -> str:
        return f"{self.size}"


@rule(GroupSort)
def _sort_rule(module: nn.Module, shape: Shape, name: str) -> Step:
    cast(GroupSort, module).check(shape[0])
    return Step(name, "sorts within groups", 1.0)
