"""Draws that are addressed by number: internal randomness of one certificate, and noise on its input.

Block b of an input holds the draws 64 b .. 64 b + 63; its generator is keyed by (seed, input id, purpose, b).
So no draw depends on batches, on order, or on what was computed before.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from ironbound.channels.normal import not_below
from ironbound.errors import InputError, wrong_value
from ironbound.lipschitz.noise import draws_are_independent, sources, undisturbed

SCHEME = "torch-sha256-64-v2"
"""Named in every record; any change of what is drawn needs a new name.

Version 2 draws the numbers of version 1, and scales them by sigma rounded up in place of to nearest.
"""

_STREAM = "torch-sha256-64-v1"
"""What the keys are made of."""

BLOCK = 64


def normal_block(seed: int, input_id: str, purpose: str, block: int, width: int) -> Tensor:
    """Independent N(0, 1) numbers of one block, shape (64, width), float32.

    Example:
        >>> one, two = (normal_block(0, "7", "estimation", b, 3) for b in (0, 1))
        >>> tuple(one.shape), torch.equal(one, two)
        ((64, 3), False)
    """
    text = json.dumps([_STREAM, seed, input_id, purpose, block])
    key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
    return torch.randn(BLOCK, width, generator=torch.Generator().manual_seed(key))


def internal_size(net: nn.Module, shape: tuple[int, ...]) -> int:
    """How many random numbers one forward pass takes for one row; 0 for a network that is not random.

    Raises:
        InputError: rows of a batch share draws, or there are several sources of noise.

    Example:
        >>> internal_size(nn.Linear(3, 2), (3,))
        0
    """
    found = sources(net)
    if not found:
        return 0
    if len(found) > 1:
        raise InputError(f"net has {len(found)} sources of noise; build all its layers with one Noise")
    if not draws_are_independent(net):
        raise wrong_value("net", "draws shared by the rows of a batch", 'built with draws="sample"')
    with torch.no_grad(), undisturbed(net), found[0].counted() as count:
        _evaluated(net, torch.zeros(1, *shape))
    return count()


def scores(
    net: nn.Module, x: Tensor, count: int, *, sigma: float, seed: int, input_id: str, purpose: str, size: int
) -> Iterator[Tensor]:
    """Logits of `count` draws at one input, in blocks of up to 64 rows, float64 (rows, classes).

    Args:
        net: see `internal_size`.
        x: one input without a batch axis.
        sigma: noise on the input; 0 for none.
        size: what `internal_size` returned.
        seed, input_id, purpose: the address of the draws.
    """
    noised = math.prod(x.shape) if sigma > 0.0 else 0
    scale = float(not_below(sigma, np.float32))  # torch would round sigma to nearest, half the time down
    found = sources(net)
    for block in range(-(-count // BLOCK)):
        rows = min(BLOCK, count - block * BLOCK)
        numbers = normal_block(seed, input_id, purpose, block, noised + size)[:rows]
        batch = x.expand(rows, *x.shape)
        if noised:
            batch = batch + scale * numbers[:, :noised].reshape(batch.shape)
        with torch.no_grad():
            if found:
                with found[0].supplied(numbers[:, noised:]):
                    yield _evaluated(net, batch).double()
            else:
                yield _evaluated(net, batch).double()


def _evaluated(net: nn.Module, batch: Tensor) -> Tensor:
    modes = [(part, part.training) for part in net.modules() if part.training]
    try:
        net.eval()
        return net(batch)
    finally:
        for part, mode in modes:
            part.training = mode
