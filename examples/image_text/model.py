"""A network with two inputs, named like the channels of the configuration."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

VOCABULARY, LENGTH = 40, 16


class Net(torch.nn.Module):
    """Scores (B, 2): does the caption (B, 16) fit the picture (B, 8, 8)?"""

    def __init__(self) -> None:
        super().__init__()
        self.image = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 8)
        )
        self.words = torch.nn.Embedding(VOCABULARY, 8)
        self.head = torch.nn.Sequential(torch.nn.Linear(24, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))

    def forward(self, image: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        seen = torch.tanh(self.image(image))
        read = torch.tanh(self.words(tokens).sum(dim=1))
        return self.head(torch.cat([seen, read, seen * read], dim=1))


def load(weights: str) -> Net:
    network = Net()
    network.load_state_dict(load_file(Path(__file__).parent / weights))
    return network
