"""Task mnist-claims: is the written claim about this MNIST digit true? As digits-claims, with a small CNN."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ironbound.channels import Gaussian, Smoothing, UniformReplacement
from ironbound.data import claims, digits_claims, images, tasks
from ironbound.data.digits_claims import CLASS_NAMES, AgreementNet, pairs
from ironbound.data.problem import Example, Problem
from ironbound.data.registry import arrays_digest
from ironbound.data.training import OneThread, Progress, network_digest, trained
from ironbound.models.torch import TorchClassifier
from ironbound.threats import L2, Threat, TokenL0

NAME = "mnist-claims"
SIGMA = 0.5
BETA = 0.8
MAX_D = 3
IMAGES_PER_DIGIT = 90  # a multiple of nine: false claims are then balanced exactly
SETTINGS: dict[str, Any] = {
    "sigma": SIGMA,
    "beta": BETA,
    "steps": 1500,
    "batch": 128,
    "rate": 3e-3,
    "decay": 1e-2,
    "tower_weight": 0.5,
    "seed": 0,
}


class MnistAgreementNet(AgreementNet):
    """Like `AgreementNet`, from images (B, 28, 28) through two convolutions; token ids as there."""

    def __init__(self) -> None:
        super().__init__()
        self.image = torch.nn.Sequential(
            torch.nn.Unflatten(1, (1, 28)),
            torch.nn.Conv2d(1, 16, 5, stride=2, padding=2),
            torch.nn.ReLU(),
            torch.nn.Conv2d(16, 32, 5, stride=2, padding=2),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(32 * 7 * 7, 128),
            torch.nn.ReLU(),
            torch.nn.Linear(128, 10),
        )


def model(
    *,
    cache: Path | str | None = None,
    progress: Progress | None = None,
    settings: Mapping[str, Any] = SETTINGS,
) -> MnistAgreementNet:
    """The trained network, from the cache when nothing changed; else trained in about a minute on one core.

    Raises:
        InputError: MNIST can be had from nowhere.
    """
    data = images.mnist("train", cache=cache)

    def train(network: MnistAgreementNet, report: Callable[[float], None]) -> None:
        pixels = torch.from_numpy(data.images.astype(np.float32) / np.float32(255))
        digits_claims.fit(network, pixels, torch.from_numpy(data.labels), settings, report)

    return trained(
        NAME,
        MnistAgreementNet,
        train,
        settings={**settings, "data": arrays_digest({"images": data.images, "digits": data.labels})},
        sources=[sys.modules[__name__], digits_claims, claims],
        cache=cache,
        progress=progress,
    )


def load(
    *,
    cache: Path | str | None = None,
    progress: Progress | None = None,
    settings: Mapping[str, Any] = SETTINGS,
) -> Problem:
    """The task: 1,800 pairs from MNIST's test part, noise on the image and on the words.

    Raises:
        InputError: MNIST can be had from nowhere.
    """
    network = model(cache=cache, progress=progress, settings=settings)
    data = images.mnist("test", cache=cache)
    chosen = np.sort(np.concatenate([np.flatnonzero(data.labels == k)[:IMAGES_PER_DIGIT] for k in range(10)]))
    pixels = data.images[chosen].astype(np.float32) / np.float32(255)
    place, label, tokens = pairs(data.labels[chosen], seed=0)
    examples = tuple(
        Example(
            id=f"pair-{row:04d}",
            inputs={"image": pixels[place[row]], "tokens": tokens[row]},
            label=int(label[row]),
            text=f"image of {data.labels[chosen[place[row]]]}; claim: {claims.read(tokens[row])}",
        )
        for row in range(place.size)
    )
    return Problem(
        name=NAME,
        base=OneThread(TorchClassifier(network, arguments=("image", "tokens"))),
        smoothing=Smoothing(
            image=Gaussian(settings["sigma"], low=0.0, high=1.0, unit="pixel in [0, 1]"),
            tokens=UniformReplacement(beta=settings["beta"], alphabet=len(claims.VOCABULARY)),
        ),
        threat=Threat(image=L2(), tokens=TokenL0(max_d=MAX_D)),
        num_classes=2,
        class_names=CLASS_NAMES,
        examples=examples,
        statistics={"alpha": 0.01, "n": 2_000, "n0": 100},
        model_digest=network_digest(network),
        data_digest=arrays_digest({"images": pixels[place], "tokens": tokens, "labels": label}),
        radii=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0),
        description=tasks.task_description(NAME),
    )
