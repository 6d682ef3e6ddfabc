"""Denoised smoothing on MNIST: a small diffusion model, and a classifier that never saw noise behind it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ironbound.channels import Gaussian, Smoothing
from ironbound.data import images
from ironbound.data.problem import Example, Problem
from ironbound.data.training import OneThread, network_digest, trained
from ironbound.experiments.context import Context
from ironbound.experiments.digit_denoiser import SCHEDULE
from ironbound.experiments.measure import Row, accuracy, certified
from ironbound.experiments.result import Cell, Result, Table
from ironbound.models.torch import TorchClassifier
from ironbound.smoothing.denoise import Denoised, OneShotDenoiser
from ironbound.threats import L2, Threat

_LARGEST_TIME = 500


class MnistDiffusion(torch.nn.Module):
    """The noise in states (B, 28, 28) in [-1, 1] at a time, from a guess of the picture behind it.

    To predict 784 independent numbers takes a wide network; the picture is much simpler, and the noise is
    what the state has beside it.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(784 + 16, hidden),
            torch.nn.SiLU(),
            torch.nn.Linear(hidden, hidden),
            torch.nn.SiLU(),
            torch.nn.Linear(hidden, 784),
        )
        self.register_buffer("remaining", torch.tensor(SCHEDULE.remaining, dtype=torch.float32))

    def picture(self, state: torch.Tensor, time: int | torch.Tensor) -> torch.Tensor:
        """The picture behind states (B, 28, 28), in [-1, 1]."""
        when = torch.as_tensor(time, dtype=torch.float32).expand(len(state))[:, None] / 1000
        waves = when * math.pi * 2.0 ** torch.arange(8)
        inputs = torch.cat([state.flatten(1).float(), waves.sin(), waves.cos()], dim=1)
        return torch.tanh(self.layers(inputs)).view_as(state)

    def forward(self, state: torch.Tensor, time: int | torch.Tensor) -> torch.Tensor:
        """The noise in states (B, 28, 28), at one time or at a time for each."""
        left = self.remaining[torch.as_tensor(time)].reshape(-1, 1, 1)  # type: ignore[index]
        return (state - left.sqrt() * self.picture(state, time)) / (1 - left).sqrt()


class Reader(torch.nn.Sequential):
    """Scores of the ten digits (B, 10) from pictures (B, 28, 28) in [0, 1]."""

    def __init__(self) -> None:
        super().__init__(
            torch.nn.Unflatten(1, (1, 28)),
            torch.nn.Conv2d(1, 16, 5, stride=2, padding=2),
            torch.nn.ReLU(),
            torch.nn.Conv2d(16, 32, 5, stride=2, padding=2),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(32 * 7 * 7, 10),
        )


def denoiser(context: Context) -> MnistDiffusion:
    """The diffusion model, trained on the training part at all times up to noise of size 3 in [-1, 1]."""
    settings: Mapping[str, Any] = {**context.settings["diffusion"], "seed": context.seed}

    def fit(network: MnistDiffusion, report: Callable[[float], None]) -> None:
        pictures = torch.tensor(images.mnist("train").images)
        remaining = torch.tensor(SCHEDULE.remaining, dtype=torch.float32)
        generator = torch.Generator().manual_seed(context.seed)
        steps, batch = int(settings["steps"]), int(settings["batch"])
        optimiser = torch.optim.AdamW(network.parameters(), 1e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=steps)
        for step in range(steps):
            chosen = torch.randint(len(pictures), (batch,), generator=generator)
            clean = pictures[chosen].float() / 127.5 - 1
            time = torch.randint(0, _LARGEST_TIME, (batch,), generator=generator)
            left = remaining[time].view(-1, 1, 1)
            noise = torch.randn(clean.shape, generator=generator)
            state = left.sqrt() * clean + (1 - left).sqrt() * noise
            loss = functional.mse_loss(network.picture(state, time), clean)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            report((step + 1) / steps)

    return trained(
        "mnist-diffusion",
        lambda: MnistDiffusion(settings["hidden"]),
        fit,
        settings=settings,
        sources=[sys.modules[__name__]],
        progress=context.progress,
    )


def classifier(context: Context, sigma: float) -> Reader:
    """Trained on the training part, under noise of size sigma; 0 for clean pictures."""
    settings: Mapping[str, Any] = {**context.settings["classifier"], "seed": context.seed, "sigma": sigma}

    def fit(network: Reader, report: Callable[[float], None]) -> None:
        data = images.mnist("train")
        pictures, digits = torch.tensor(data.images), torch.tensor(data.labels)
        generator = torch.Generator().manual_seed(context.seed)
        steps, batch = int(settings["steps"]), int(settings["batch"])
        optimiser = torch.optim.AdamW(network.parameters(), 2e-3)
        for step in range(steps):
            chosen = torch.randint(len(digits), (batch,), generator=generator)
            shown = pictures[chosen].float() / 255
            shown = shown + sigma * torch.randn(shown.shape, generator=generator)
            loss = functional.cross_entropy(network(shown), digits[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            report((step + 1) / steps)

    return trained(
        "mnist-reader",
        Reader,
        fit,
        settings=settings,
        sources=[sys.modules[__name__]],
        progress=context.progress,
    )


def table(context: Context) -> Result:
    """Certified accuracy of a classifier of clean pictures, alone and denoised, and of one trained on noise.

    Settings: rows, n, alpha, sigmas, radii, diffusion (steps, batch, hidden), classifier (steps, batch).
    """
    settings = context.settings
    tables: list[Table] = []
    for sigma in settings["sigmas"]:
        cells: list[tuple[Cell, ...]] = []
        for name in ("clean", "denoised", "trained under noise"):
            rows = context.piece(f"{name.split()[0]}-{sigma:g}", partial(_rows, context, name, sigma))
            cells.append((name, *accuracy(rows, 0, settings["radii"])))
        title = f"Certified accuracy in %, sigma = {sigma:g}, {settings['rows']} rows, n = {settings['n']:,}"
        tables.append(Table(title, ("radius", *(f"{r:g}" for r in settings["radii"])), tuple(cells)))
    notes = (
        "MNIST's test part from its first picture. Radii are 2-norms in pixels of [0, 1]; the diffusion "
        "model works in [-1, 1], where the noise is twice sigma, and its time is matched there.",
        '"clean" and "denoised" share one classifier that never saw noise; "trained under noise" is the same '
        "network trained for this sigma.",
    )
    return Result(tuple(tables), (), notes)


def _rows(context: Context, name: str, sigma: float) -> list[Row]:
    settings = context.settings
    network = classifier(context, sigma if name == "trained under noise" else 0.0)
    base: Any = TorchClassifier(network, arguments=["image"])
    if name == "denoised":
        base = Denoised(base, OneShotDenoiser(denoiser(context), SCHEDULE, sigma))
    problem = replace(_problem(network, settings["rows"]), base=OneThread(base))
    noise = Gaussian(sigma, low=0.0, high=1.0, unit="pixel in [0, 1]")
    return certified(
        replace(problem, smoothing=Smoothing(image=noise)),
        settings["rows"],
        n=settings["n"],
        alpha=settings["alpha"],
        seed=context.seed,
        progress=context.progress,
    )


def _problem(network: Reader, rows: int) -> Problem:
    data = images.mnist("test")
    pixels = data.images[:rows].astype(np.float32) / np.float32(255)
    return Problem(
        name="mnist",
        base=network,
        smoothing=Smoothing(image=Gaussian(1.0)),
        threat=Threat(image=L2()),
        num_classes=10,
        examples=tuple(
            Example(f"test-{row:04d}", {"image": pixels[row]}, int(data.labels[row])) for row in range(rows)
        ),
        rivals="complement",
        model_digest=network_digest(network),
    )
