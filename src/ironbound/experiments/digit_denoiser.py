"""Denoised smoothing on digits: a small diffusion model and a classifier trained on clean images only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

import torch
from torch.nn import functional

from ironbound.channels import Gaussian, Smoothing
from ironbound.data import digit_images, digits
from ironbound.data.training import single_thread
from ironbound.experiments.context import Context
from ironbound.experiments.measure import Row, accuracy, certified
from ironbound.experiments.result import Cell, Result, Table
from ironbound.models.torch import TorchClassifier
from ironbound.smoothing.denoise import Denoised, OneShotDenoiser, Schedule

SCHEDULE = Schedule.linear()


class TinyDiffusion(torch.nn.Module):
    """Predicts the noise in states (B, 8, 8) in [-1, 1] at a time."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(64 + 16, hidden),
            torch.nn.SiLU(),
            torch.nn.Linear(hidden, hidden),
            torch.nn.SiLU(),
            torch.nn.Linear(hidden, 64),
        )

    def forward(self, state: torch.Tensor, time: int | torch.Tensor) -> torch.Tensor:
        """The noise in states (B, 8, 8), at one time or at a time for each."""
        when = torch.as_tensor(time, dtype=torch.float32).expand(len(state))[:, None] / 1000
        waves = when * math.pi * 2.0 ** torch.arange(8)
        inputs = torch.cat([state.flatten(1).float(), waves.sin(), waves.cos()], dim=1)
        return self.layers(inputs).view_as(state)


@cache
def denoiser(steps: int = 1000, hidden: int = 256) -> TinyDiffusion:
    """Trained to tell the noise from the signal, at all times up to noise of size 3 in [-1, 1].

    Args:
        steps: of training; 1,000 take about 3 s on one core.
        hidden: width of its two layers.
    """
    with torch.random.fork_rng(devices=[]), single_thread():
        torch.manual_seed(0)
        network = TinyDiffusion(hidden)
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


def table(context: Context) -> Result:
    """Certified accuracy of a classifier of clean digits, alone and denoised, and of one trained on noise.

    Settings: rows, n, alpha, sigmas, radii, steps and hidden of the diffusion model.
    """
    settings = context.settings
    tables: list[Table] = []
    for sigma in settings["sigmas"]:
        cells: list[tuple[Cell, ...]] = []
        for name in ("clean", "denoised", "trained under noise"):
            key = f"{name.split()[0]}-{sigma:g}"
            rows = context.piece(key, partial(_rows, context, name, sigma))
            cells.append((name, *accuracy(rows, 0, settings["radii"])))
        title = f"Certified accuracy in %, sigma = {sigma:g}, {settings['rows']} rows, n = {settings['n']:,}"
        tables.append(Table(title, ("radius", *(f"{r:g}" for r in settings["radii"])), tuple(cells)))
    notes = (
        "Radii are 2-norms in pixels of [0, 1]. The diffusion model works in [-1, 1], where the noise is "
        "twice sigma; its time is matched there.",
        '"clean" and "denoised" share one classifier that never saw noise; "trained under noise" is the '
        "network of the task digits, trained for this sigma.",
    )
    return Result(tuple(tables), (), notes)


def _rows(context: Context, name: str, sigma: float) -> list[Row]:
    settings = context.settings
    problem = digits.load(progress=context.progress)
    if name == "trained under noise":
        own: Mapping[str, Any] = {**digits.SETTINGS, "sigma": sigma}
        base: Any = TorchClassifier(
            digits.model(settings=own, progress=context.progress), arguments=["image"]
        )
    else:
        base = TorchClassifier(classifier(), arguments=["image"])
    if name == "denoised":
        model = denoiser(settings["steps"], settings["hidden"])
        base = Denoised(base, OneShotDenoiser(model, SCHEDULE, sigma))
    noise = Gaussian(sigma, low=0.0, high=1.0, unit=digit_images.UNIT)
    problem = replace(problem, base=base, smoothing=Smoothing(image=noise), rivals="complement")
    with single_thread():
        return certified(
            problem,
            settings["rows"],
            n=settings["n"],
            alpha=settings["alpha"],
            seed=context.seed,
            progress=context.progress,
        )
