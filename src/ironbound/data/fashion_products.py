"""Task fashion-products: is an article for sports or for every day? From its photograph and its title.

Source: P. Aggarwal, Fashion Product Images Dataset, 2019; 1,099 of its items, the target `usage`. The 41
items with another usage than these two are left out.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ironbound.channels import Gaussian, Smoothing, UniformReplacement
from ironbound.data import tasks, texts
from ironbound.data.problem import Example, Problem
from ironbound.data.registry import arrays_digest
from ironbound.data.training import OneThread, Progress, network_digest, trained
from ironbound.models.torch import TorchClassifier
from ironbound.threats import L2, Threat, TokenL0

NAME = "fashion-products"
CLASS_NAMES = ("Casual", "Sports")
SIGMA = 0.5
BETA = 0.8
MAX_D = 3
LENGTH = 12  # titles are cut or filled up to this many words
FILL, UNKNOWN = 0, 1
SETTINGS: dict[str, Any] = {
    "sigma": SIGMA,
    "beta": BETA,
    "steps": 1200,
    "batch": 64,
    "rate": 2e-3,
    "decay": 5e-2,
    "seed": 0,
}


class ProductNet(torch.nn.Module):
    """Scores (B, 2) from photographs (B, 3, 64, 64) in [0, 1] and word ids (B, L): a sum of two opinions."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.image = torch.nn.Sequential(
            torch.nn.AvgPool2d(2),
            torch.nn.Conv2d(3, 16, 5, stride=2, padding=2),
            torch.nn.ReLU(),
            torch.nn.Conv2d(16, 32, 3, stride=2, padding=1),
            torch.nn.ReLU(),
            torch.nn.Conv2d(32, 32, 3, stride=2, padding=1),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Dropout(0.3),
            torch.nn.Linear(32 * 16, 2),
        )
        self.words = torch.nn.Embedding(words, 2)
        torch.nn.init.zeros_(self.words.weight)

    def forward(self, image: torch.Tensor, title: torch.Tensor) -> torch.Tensor:
        return self.image(image) + self.words(title).sum(dim=1)


def words_of(title: str) -> list[str]:
    """The lower-case words of a title.

    Example:
        >>> words_of("Nike Men's T20 Jersey")
        ['nike', "men's", 't20', 'jersey']
    """
    return re.findall(r"[a-z0-9']+", title.lower())


def vocabulary(titles: Iterable[str], least: int = 2) -> tuple[str, ...]:
    """All words that occur at least so often, sorted, after the words for filling up and for unknown ones."""
    counts = Counter(word for title in titles for word in words_of(title))
    return ("<fill>", "<unknown>", *sorted(word for word, count in counts.items() if count >= least))


def encode(titles: Iterable[str], words: tuple[str, ...]) -> NDArray[np.int64]:
    """Word ids (N, 12).

    Example:
        >>> encode(["Blue blue shoe"], ("<fill>", "<unknown>", "blue"))[0, :4].tolist()
        [2, 2, 1, 0]
    """
    place = {word: i for i, word in enumerate(words)}
    rows = [[place.get(word, UNKNOWN) for word in words_of(title)][:LENGTH] for title in titles]
    return np.array([row + [FILL] * (LENGTH - len(row)) for row in rows], dtype=np.int64)


def fit(
    network: ProductNet,
    images: torch.Tensor,
    titles: torch.Tensor,
    labels: torch.Tensor,
    settings: Mapping[str, Any],
    progress: Callable[[float], None],
) -> None:
    """Train under the noise that is certified, with mirrored photographs; both classes weigh the same."""
    generator = torch.Generator().manual_seed(int(settings["seed"]))
    steps, batch = int(settings["steps"]), int(settings["batch"])
    size = network.words.num_embeddings
    weight = labels.numel() / (2.0 * torch.bincount(labels, minlength=2).float())
    optimiser = torch.optim.AdamW(network.parameters(), settings["rate"], weight_decay=settings["decay"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings["rate"], total_steps=steps)
    network.train()
    for step in range(steps):
        chosen = torch.randint(labels.numel(), (batch,), generator=generator)
        image, title = images[chosen], titles[chosen]
        mirrored = torch.rand(batch, generator=generator) < 0.5
        image = torch.where(mirrored[:, None, None, None], image.flip(3), image)
        image = image + settings["sigma"] * torch.randn(image.shape, generator=generator)
        other = (title + torch.randint(1, size, title.shape, generator=generator)) % size
        title = torch.where(torch.rand(title.shape, generator=generator) < settings["beta"], other, title)
        loss = functional.cross_entropy(network(image, title), labels[chosen], weight=weight)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        progress((step + 1) / steps)


def load(
    *,
    cache: Path | str | None = None,
    progress: Progress | None = None,
    settings: Mapping[str, Any] = SETTINGS,
) -> Problem:
    """The task: the test items with one of the two usages; trained in about a minute on one core.

    Raises:
        InputError: the data are not here.
    """
    shop = texts.fashion_products(cache=cache)
    usage, titles = shop.columns["usage"], shop.columns["productDisplayName"]
    rows = {
        part: [
            i
            for i, split in enumerate(shop.columns["suggested_split"])
            if split == part and usage[i] in CLASS_NAMES
        ]
        for part in ("train", "test")
    }
    words = vocabulary(titles[i] for i in rows["train"])
    pixels = np.moveaxis(shop.images, 3, 1).astype(np.float32) / np.float32(255)
    labels = np.array([CLASS_NAMES.index(one) if one in CLASS_NAMES else -1 for one in usage])
    codes = encode(titles, words)
    arrays = {"images": pixels, "titles": codes, "labels": labels}

    def train(network: ProductNet, report: Callable[[float], None]) -> None:
        part = {name: torch.from_numpy(array[rows["train"]]) for name, array in arrays.items()}
        fit(network, part["images"], part["titles"], part["labels"], settings, report)

    network = trained(
        NAME,
        lambda: ProductNet(len(words)),
        train,
        settings={**settings, "data": arrays_digest(arrays), "words": len(words)},
        sources=[sys.modules[__name__]],
        cache=cache,
        progress=progress,
    )
    examples = tuple(
        Example(
            id=f"item-{shop.columns['id'][i]}",
            inputs={"image": pixels[i], "title": codes[i]},
            label=int(labels[i]),
            text=titles[i],
        )
        for i in rows["test"]
    )
    return Problem(
        name=NAME,
        base=OneThread(TorchClassifier(network, arguments=("image", "title"))),
        smoothing=Smoothing(
            image=Gaussian(settings["sigma"], low=0.0, high=1.0, unit="pixel in [0, 1]"),
            title=UniformReplacement(beta=settings["beta"], alphabet=len(words)),
        ),
        threat=Threat(image=L2(), title=TokenL0(max_d=MAX_D)),
        num_classes=2,
        class_names=CLASS_NAMES,
        examples=examples,
        statistics={"alpha": 0.01, "n": 2_000, "n0": 100},
        model_digest=network_digest(network),
        data_digest=arrays_digest({name: array[rows["test"]] for name, array in arrays.items()}),
        radii=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0),
        description=tasks.task_description(NAME),
    )
