"""Task mnist-latent: which digit? A 1-Lipschitz encoder, Gaussians in its latent; no noise, no sampling."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ironbound.data import images, tasks
from ironbound.data.problem import Example, Problem
from ironbound.data.registry import arrays_digest
from ironbound.data.training import Progress, trained
from ironbound.latent import orthogonal_training
from ironbound.latent.certifier import LatentCertifier
from ironbound.latent.encoded import EncodedClassifier
from ironbound.latent.encoders.network import NetworkEncoder
from ironbound.latent.gaussian import GaussianClassifier

NAME = "mnist-latent"
IMAGES_PER_DIGIT = 100
SETTINGS: dict[str, Any] = {
    "sizes": [784, 256, 256, 10],
    "steps": 1000,
    "batch": 256,
    "rate": 3e-3,
    "temperature": 8.0,
    "margin": 0.8,
    "shift": 1,
    "mirror": False,
    "channels": [],
    "covariance": "full",
    "shrinkage": 0.5,
    "seed": 0,
}


def encoder(
    data: images.ImageSet,
    name: str = NAME,
    *,
    cache: Path | str | None = None,
    progress: Progress | None = None,
    settings: Mapping[str, Any] = SETTINGS,
) -> NetworkEncoder:
    """The 1-Lipschitz encoder of a set of images, from the cache when nothing changed; else trained.

    Args:
        data: training images, scaled to [0, 1]. name: of the file in the cache.
        settings: as `SETTINGS`; with `channels` the network begins with stages of patches (see
            `orthogonal_patches`) and `sizes` are those of the dense layers behind them.
    """
    x = torch.from_numpy(data.images.astype(np.float32) / np.float32(255))
    if x.ndim == 4:
        x = x.permute(0, 3, 1, 2).contiguous()

    def fit(network: nn.Sequential, report: Callable[[float], None]) -> None:
        orthogonal_training.fit_encoder(
            network,
            x,
            torch.from_numpy(data.labels),
            augment=orthogonal_training.shifted(settings["shift"], mirror=settings["mirror"]),
            progress=report,
            **{key: settings[key] for key in ("steps", "batch", "rate", "temperature", "margin", "seed")},
        )

    def build() -> nn.Sequential:
        if not settings["channels"]:
            return orthogonal_training.orthogonal_mlp(settings["sizes"])
        return orthogonal_training.orthogonal_patches(x.shape[1:], settings["channels"], settings["sizes"])

    chosen = {key: settings[key] for key in SETTINGS if key not in ("covariance", "shrinkage")}
    network = trained(
        name,
        build,
        fit,
        settings={**chosen, "data": arrays_digest({"images": data.images, "labels": data.labels})},
        sources=[sys.modules[__name__], orthogonal_training],
        cache=cache,
        progress=progress,
    )
    return NetworkEncoder(network, tuple(x.shape[1:]), name="1-Lipschitz network")


def load(
    *,
    cache: Path | str | None = None,
    progress: Progress | None = None,
    settings: Mapping[str, Any] = SETTINGS,
) -> Problem:
    """The task: 1,000 images of MNIST's test part, 100 of each digit, round robin.

    Raises:
        InputError: MNIST can be had from nowhere.
    """
    train = images.mnist("train", cache=cache)
    found = encoder(train, cache=cache, progress=progress, settings=settings)
    head = GaussianClassifier(settings["covariance"], shrinkage=settings["shrinkage"])
    model = EncodedClassifier(found, head, channel="image", unit="pixel in [0, 1]")
    model.fit(train.images.astype(np.float32) / np.float32(255), train.labels)
    data = images.mnist("test", cache=cache)
    by_digit = [np.flatnonzero(data.labels == digit)[:IMAGES_PER_DIGIT] for digit in range(10)]
    chosen = np.stack(by_digit, axis=1).reshape(-1)
    pixels = data.images[chosen].astype(np.float32) / np.float32(255)
    labels = data.labels[chosen]
    certifier = LatentCertifier(model)
    return Problem(
        name=NAME,
        certifier=certifier,
        num_classes=10,
        class_names=tuple(str(digit) for digit in range(10)),
        examples=tuple(
            Example(id=f"image-{chosen[row]:05d}", inputs={"image": pixels[row]}, label=int(labels[row]))
            for row in range(len(chosen))
        ),
        model_digest=certifier.digest,
        data_digest=arrays_digest({"images": pixels, "labels": labels}),
        radii=(0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5),
        description=tasks.task_description(NAME),
    )
