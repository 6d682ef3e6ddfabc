"""What the built-in tasks on trained networks share: trained once, kept, one problem for each classifier.

One network can be deployed as three classifiers, whose certificates speak of three different things: the vote
under input noise and internal draws together, the largest expected logit, and the mean ramp score under
noise. Each is a task of its own, so no report can mix them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from ironbound.data import tasks, weights
from ironbound.data.images import ImageSet
from ironbound.data.problem import Certifier, Example, Problem
from ironbound.data.registry import arrays_digest
from ironbound.data.training import OneThread, Progress, network_digest, state
from ironbound.lipschitz import ExpectedLogits, RampSmoothed, RandomisedBase
from ironbound.models.torch import TorchClassifier
from ironbound.threats import L2, Threat
from ironbound.training import loop, losses, networks
from ironbound.training.data import official_test, pictures
from ironbound.training.networks import build, input_shape, num_classes
from ironbound.training.recipe import Recipe

Classifier = Literal["votes", "expected", "ramp"]

UNIT = "pixel in [0, 1]"
RADII = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)


def network(
    recipe: Recipe, *, cache: Path | str | None = None, progress: Progress | None = None
) -> nn.Module:
    """The trained network of a recipe: from the cache when nothing changed, else trained (a few minutes).

    Raises:
        InputError: its data can be had from nowhere.
    """
    data = pictures(recipe, cache=cache)

    def make() -> weights.Arrays:
        return state(loop.train(recipe, data, progress=progress or (lambda stage, fraction: None)))

    digest = arrays_digest({"x": data.x.numpy(), "y": data.y.numpy()})
    known = {"recipe": recipe.record(), "data": digest, "torch": torch.__version__, "seed": recipe.seed}
    sources = [loop, losses, networks]
    found = weights.kept(f"train-{recipe.name}", make, settings=known, sources=sources, cache=cache)
    net = build(recipe)
    net.load_state_dict({name: torch.from_numpy(array) for name, array in found.items()})
    return net.eval()


def problem(
    name: str, net: nn.Module, recipe: Recipe, data: ImageSet, classifier: Classifier, **settings: Any
) -> Problem:
    """A trained network as one of its three classifiers, on the images of `data`.

    Args:
        name: of the problem.
        net, recipe: of `network` or `load_network`.
        data: the images to certify.
        classifier: "votes" (randomised smoothing over input noise and internal draws), "expected" (margin of
            the expected, squashed logits), or "ramp".
        settings: of the smoothing's statistics (alpha, n, n0, stop, ..), or of `ExpectedLogits` or
            `RampSmoothed` (alpha, n, n0, limit or slope, seed).
    """
    images = data.scaled()
    base = RandomisedBase(net, input_shape(recipe))
    shared: dict[str, Any] = {
        "name": name,
        "num_classes": num_classes(recipe),
        "class_names": data.class_names,
        "model_digest": network_digest(net),
        "data_digest": arrays_digest({"images": data.images, "labels": data.labels}),
        "radii": RADII,
        "description": tasks.task_description(name) if name in tasks.task_names() else "",
    }
    if classifier == "votes":
        return Problem(
            examples=_examples(images, data, base),
            base=OneThread(TorchClassifier(base)),
            smoothing=base.smoothing(recipe.sigma, low=0.0, high=1.0, unit=UNIT),
            threat=Threat(image=L2()),
            rivals="complement",
            statistics={"alpha": 0.001, "n": 1000, "n0": 50, **settings},
            **shared,
        )
    known: dict[str, Any] = {"unit": UNIT, "class_names": data.class_names, **settings}
    made: Certifier
    if classifier == "expected":
        made = ExpectedLogits(net, input_shape(recipe), **known)
    else:
        made = RampSmoothed(net, input_shape(recipe), sigma=recipe.sigma, **known)
    return Problem(examples=_examples(images, data, None), certifier=made, **shared)


def _examples(images: np.ndarray, data: ImageSet, base: RandomisedBase | None) -> tuple[Example, ...]:
    return tuple(
        Example(
            id=f"image-{row:05d}",
            inputs={"image": image} if base is None else base.inputs(image),
            label=int(data.labels[row]),
        )
        for row, image in enumerate(images)
    )


def spread(data: ImageSet, most: int) -> ImageSet:
    """`most` images, evenly spread over the set in its own order."""
    rows = np.linspace(0, len(data) - 1, min(most, len(data))).round().astype(int)
    return ImageSet(data.images[rows], data.labels[rows], data.class_names)


def load(
    name: str,
    recipe: Recipe,
    classifier: Classifier,
    *,
    cache: Path | str | None = None,
    progress: Progress | None = None,
) -> Problem:
    """A built-in task: the recipe's network on 200 images of the official test part."""
    data = spread(official_test(recipe, cache=cache), 200)
    return problem(name, network(recipe, cache=cache, progress=progress), recipe, data, classifier)
