"""A small diffusion model of digits, trained here, and a classifier trained on clean images only."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import torch
from torch.nn import functional

from ironbound.data import digit_images
from ironbound.data.training import single_thread
from ironbound.smoothing.denoise import Schedule

SCHEDULE = Schedule.linear()


class TinyDiffusion(torch.nn.Module):
    """Predicts the noise in states (B, 8, 8) in [-1, 1] at a time."""

    def __init__(self, hidden: int = 256) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(64 + 16, hidden),
            torch.nn.SiLU(),
            torch.nn.Linear(hidden, hidden),
            torch.nn.SiLU(),
            torch.nn.Linear(hidden, 64),
        )

    def forward(self, state: torch.Tensor, time: int | torch.Tensor) -> torch.Tensor:
        when = torch.as_tensor(time, dtype=torch.float32).expand(len(state))[:, None] / 1000
        waves = when * math.pi * 2.0 ** torch.arange(8)
        inputs = torch.cat([state.flatten(1).float(), waves.sin(), waves.cos()], dim=1)
        return self.layers(inputs).view_as(state)


@cache
def denoiser(steps: int = 1000) -> TinyDiffusion:
    """Trained to tell the noise from the signal, at all times up to the largest noise of the tests."""
    with torch.random.fork_rng(devices=[]), single_thread():
        torch.manual_seed(0)
        network = TinyDiffusion()
        images = torch.from_numpy(digit_images.load().train) * 2 - 1
        remaining = torch.tensor(SCHEDULE.remaining)
        optimiser = torch.optim.AdamW(network.parameters(), 2e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
        for _ in range(steps):
            clean = images[torch.randint(len(images), (256,))]
            time = torch.randint(0, 500, (256,))
            left = remaining[time].view(-1, 1, 1).float()
            noise = torch.randn_like(clean)
            loss = functional.mse_loss(network(left.sqrt() * clean + (1 - left).sqrt() * noise, time), noise)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return network.eval()


@cache
def classifier(steps: int = 600) -> Any:
    """Trained on clean images: good on them, and lost under noise."""
    with torch.random.fork_rng(devices=[]), single_thread():
        torch.manual_seed(1)
        data = digit_images.load()
        images, digits = torch.from_numpy(data.train), torch.from_numpy(data.train_digits)
        network = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10)
        )
        optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
        for _ in range(steps):
            chosen = torch.randint(len(images), (128,))
            loss = functional.cross_entropy(network(images[chosen]), digits[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return network.eval()
