"""Images for training: batches drawn at random, and a held-out part that no batch contains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ironbound.data import images
from ironbound.data.images import ImageSet
from ironbound.training.recipe import Recipe

HELD_OUT = 2000
"""Training images kept back for tuning where a set has no validation part of its own."""


@dataclass(frozen=True)
class Pictures:
    """Images (N, C, H, W) in [0, 1] with labels (N,), and held-out ones."""

    x: Tensor
    y: Tensor
    held_x: Tensor
    held_y: Tensor

    def sampler(self, balanced: bool | float) -> Callable[[int, torch.Generator], tuple[Tensor, Tensor]]:
        """A function (batch size, generator) -> images, labels; `balanced` is as in `Recipe`."""
        counts = torch.bincount(self.y).double()
        weights = counts.pow(-float(balanced))[self.y] if balanced else None

        def draw(size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
            if weights is None:
                chosen = torch.randint(len(self.y), (size,), generator=generator)
            else:
                chosen = torch.multinomial(weights, size, replacement=True, generator=generator)
            return self.x[chosen], self.y[chosen]

        return draw

    def held_out(self, most: int) -> tuple[Tensor, Tensor]:
        """The first held-out images."""
        return self.held_x[:most], self.held_y[:most]


def pictures(recipe: Recipe, *, cache: Path | str | None = None) -> Pictures:
    """The images of a recipe: the validation part where the set has one, else the last 2,000 of training.

    Raises:
        InputError: the set cannot be found.
    """
    return _of(*_parts(recipe, cache))


def held_out(recipe: Recipe, *, cache: Path | str | None = None) -> ImageSet:
    """The images of a recipe that neither training nor a table of results sees: what choices are made on."""
    return _parts(recipe, cache)[1]


def _parts(recipe: Recipe, cache: Path | str | None) -> tuple[ImageSet, ImageSet]:
    if recipe.data == "pneumonia":
        return images.pneumonia("train", cache=cache), images.pneumonia("val", cache=cache)
    load = {"mnist": images.mnist, "fashion-mnist": images.fashion_mnist, "cifar10": images.cifar10}
    whole = load[recipe.data]("train", cache=cache)
    cut = len(whole) - HELD_OUT
    first, last = (
        ImageSet(whole.images[s], whole.labels[s], whole.class_names) for s in (slice(cut), slice(cut, None))
    )
    return first, last


def official_test(recipe: Recipe, *, cache: Path | str | None = None) -> ImageSet:
    """The test part of the recipe's data."""
    load = {
        "pneumonia": images.pneumonia,
        "mnist": images.mnist,
        "fashion-mnist": images.fashion_mnist,
        "cifar10": images.cifar10,
    }
    return load[recipe.data]("test", cache=cache)


def _of(train: ImageSet, held: ImageSet) -> Pictures:
    found = [torch.from_numpy(np.ascontiguousarray(part)) for part in (train.scaled(), train.labels)]
    found += [torch.from_numpy(np.ascontiguousarray(part)) for part in (held.scaled(), held.labels)]
    return Pictures(*found)
