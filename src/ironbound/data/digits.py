"""Task digits: which digit does this picture show? Image only, ten classes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from ironbound.channels import Gaussian, Smoothing
from ironbound.data import digit_images, tasks
from ironbound.data.problem import Example, Problem
from ironbound.data.registry import arrays_digest
from ironbound.data.training import OneThread, Progress, network_digest, trained
from ironbound.models.torch import TorchClassifier
from ironbound.threats import L2, Threat

NAME = "digits"
SIGMA = 0.3
SETTINGS: dict[str, Any] = {
    "sigma": SIGMA,
    "steps": 1500,
    "batch": 256,
    "rate": 4e-3,
    "decay": 1e-2,
    "seed": 0,
}


class DigitNet(torch.nn.Module):
    """Two hidden layers; scores (B, 10) from images (B, 8, 8)."""

    def __init__(self, hidden: int = 256) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Flatten(),
            torch.nn.Linear(digit_images.SIDE**2, hidden),
            torch.nn.ReLU(),
            torch.nn.Linear(hidden, hidden),
            torch.nn.ReLU(),
            torch.nn.Linear(hidden, 10),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.layers(image)


def fit(
    network: torch.nn.Module,
    images: torch.Tensor,
    digits: torch.Tensor,
    settings: Mapping[str, Any],
    progress: Callable[[float], None] = lambda fraction: None,
) -> None:
    """Train under freshly drawn noise of the certified size (Cohen et al. 2019)."""
    steps, batch = int(settings["steps"]), int(settings["batch"])
    generator = torch.Generator().manual_seed(int(settings["seed"]))
    optimiser = torch.optim.AdamW(network.parameters(), settings["rate"], weight_decay=settings["decay"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings["rate"], total_steps=steps)
    network.train()
    for step in range(steps):
        chosen = torch.randint(digits.numel(), (batch,), generator=generator)
        noise = torch.randn(batch, *images.shape[1:], generator=generator)
        scores = network(images[chosen] + settings["sigma"] * noise)
        optimiser.zero_grad()
        functional.cross_entropy(scores, digits[chosen]).backward()
        optimiser.step()
        schedule.step()
        progress((step + 1) / steps)


def model(
    *,
    cache: Path | str | None = None,
    progress: Progress | None = None,
    settings: Mapping[str, Any] = SETTINGS,
) -> DigitNet:
    """The trained network, from the cache when nothing changed; else trained in about 3 s on one core."""
    data = digit_images.load()

    def train(network: DigitNet, report: Callable[[float], None]) -> None:
        fit(network, torch.from_numpy(data.train), torch.from_numpy(data.train_digits), settings, report)

    return trained(
        NAME,
        DigitNet,
        train,
        settings={**settings, "data": arrays_digest({"images": data.train, "digits": data.train_digits})},
        sources=[sys.modules[__name__], digit_images],
        cache=cache,
        progress=progress,
    )


def load(*, cache: Path | str | None = None, progress: Progress | None = None) -> Problem:
    """The task: 270 held-out images, one alpha for the bounds on all ten classes together."""
    network = model(cache=cache, progress=progress)
    data = digit_images.load()
    # Round robin over the digits, so that the first rows of the task are balanced as well.
    order = torch.arange(data.test_digits.size).view(10, -1).T.reshape(-1).numpy()
    order = data.test_digits.argsort(kind="stable")[order]
    images, digits = data.test[order], data.test_digits[order]
    examples = tuple(
        Example(id=f"image-{row:03d}", inputs={"image": images[row]}, label=int(digits[row]))
        for row in range(digits.size)
    )
    return Problem(
        name=NAME,
        base=OneThread(TorchClassifier(network, arguments=("image",))),
        smoothing=Smoothing(image=Gaussian(SIGMA, low=0.0, high=1.0, unit=digit_images.UNIT)),
        threat=Threat(image=L2()),
        num_classes=10,
        class_names=tuple(str(digit) for digit in range(10)),
        examples=examples,
        statistics={"alpha": 0.01, "n": 2_000, "n0": 100},
        rivals="bonferroni",
        model_digest=network_digest(network),
        data_digest=arrays_digest({"images": images, "labels": digits}),
        radii=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
        description=tasks.task_description(NAME),
    )
