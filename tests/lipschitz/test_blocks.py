"""Draws that are addressed by number: the noise of a block on an input."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ironbound.lipschitz import blocks


@pytest.mark.parametrize("sigma", [0.1, 0.12, 0.25, 0.3, 0.7, 20.1])
def test_noise_is_never_less_than_what_the_certificate_states(
    sigma: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At draws of exactly 1 the input is moved by the least float32 that is not below sigma."""

    def ones(seed: int, input_id: str, purpose: str, block: int, width: int) -> Tensor:
        return torch.ones(blocks.BLOCK, width)

    monkeypatch.setattr(blocks, "normal_block", ones)
    address: dict[str, Any] = {"seed": 0, "input_id": "0", "purpose": "estimation", "size": 0}
    (drawn,) = blocks.scores(nn.Identity(), torch.zeros(2), 3, sigma=sigma, **address)
    assert tuple(drawn.shape) == (3, 2)
    below = torch.nextafter(drawn.float(), torch.zeros(1)).double()
    assert bool(torch.all((below < sigma) & (drawn >= sigma)))
