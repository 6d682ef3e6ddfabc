"""Task mnist-filter: a safety filter for pairs that are unsafe only together, after the filters of HRS.

A picture of a digit is harmless and so is a claim about a digit; the pair is "unsafe" when they mean the same
digit. The filter flags a pair when its network is sure enough, so that benign pairs are almost never flagged,
and the smoothed filter flags an input once its share of flagged draws exceeds tau: what benign inputs reach.
The attacker moves the picture and either appends words to the claim or replaces words of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ironbound.channels import Gaussian, Smoothing, UniformReplacement
from ironbound.data import claims, digits_claims, images, mnist_claims, tasks
from ironbound.data.benign import calibration
from ironbound.data.digits_claims import pairs
from ironbound.data.mnist_benign import HALF, PAD, SLOT, TRAINING, Flags, calibrated, slotted
from ironbound.data.mnist_claims import MnistAgreementNet
from ironbound.data.problem import Example, Problem
from ironbound.data.registry import arrays_digest
from ironbound.data.training import OneThread, Progress, network_digest, trained
from ironbound.models.torch import TorchClassifier
from ironbound.threats import L2, SuffixAppend, Threat, TokenL0

NAME = "mnist-filter"
CLASS_NAMES = ("safe", "unsafe")
MAX_D = 8
INPUTS = 400  # as many interaction-only pairs as in the paper
# The margin is where 50 of 100,000 benign draws are still flagged. With none of them, a handful of images
# that even people misread would set it, and most unsafe pairs would be missed.
SETTINGS: dict[str, Any] = mnist_claims.SETTINGS | {
    "sigma": 0.25,
    "beta": 0.25,
    "attack": "append",
    "noised": "both",
    "places": SLOT,
    "steps": 3000,
    "choosing": 100_000,
    "draws": 100_000,
    "allowed": 50,
    "alpha": 0.01,
    "tau": None,  # a threshold of one's own; refused where the benign draws do not support it
}
# What training depends on; the same network serves every rate of replacement and either attack.
_TRAINING = ("sigma", "steps", "batch", "rate", "decay", "tower_weight", "seed")
_TRAINING_BETA = 0.25


@dataclass(frozen=True)
class Filter:
    """A network, and how sure it must be before it flags: label 1 where its log-odds exceed `margin`."""

    network: MnistAgreementNet
    margin: float

    def __call__(self, batch: Mapping[str, Any]) -> torch.Tensor:
        scores = TorchClassifier(self.network, arguments=("image", "tokens"))(dict(batch))
        return (scores[:, 1] - scores[:, 0] > self.margin).long()


def model(
    *,
    cache: Path | str | None = None,
    progress: Progress | None = None,
    settings: Mapping[str, Any] = SETTINGS,
) -> MnistAgreementNet:
    """The network, trained on the first 50,000 images: noise of size sigma, a quarter of the words replaced.

    Raises:
        InputError: MNIST can be had from nowhere.
    """
    chosen = {"beta": _TRAINING_BETA} | {name: settings[name] for name in _TRAINING}
    data = images.mnist("train", cache=cache)
    shown, digits = data.images[:TRAINING], data.labels[:TRAINING]

    def train(network: MnistAgreementNet, report: Any) -> None:
        pixels = torch.from_numpy(shown.astype(np.float32) / np.float32(255))
        digits_claims.fit(network, pixels, torch.from_numpy(digits), chosen, report)

    return trained(
        NAME,
        MnistAgreementNet,
        train,
        settings={**chosen, "data": arrays_digest({"images": shown, "digits": digits})},
        sources=[mnist_claims, digits_claims, claims],
        cache=cache,
        progress=progress,
    )


def load(
    *,
    cache: Path | str | None = None,
    progress: Progress | None = None,
    settings: Mapping[str, Any] = SETTINGS,
) -> Problem:
    """The task: 400 unsafe pairs from MNIST's test part, whether the filter's flag can be argued away.

    Raises:
        InputError: MNIST can be had from nowhere.
    """
    network = model(cache=cache, progress=progress, settings=settings)
    found = calibrated(network, cache=cache, settings=settings)
    data = images.mnist("test", cache=cache)
    chosen = np.sort(np.concatenate([np.flatnonzero(data.labels == k)[:45] for k in range(10)]))
    pixels = data.images[chosen].astype(np.float32) / np.float32(255)
    place, label, tokens = pairs(data.labels[chosen], seed=0)
    unsafe = np.flatnonzero(label == 1)[:INPUTS]
    append = settings["attack"] == "append"
    # `SuffixAppend` puts the slot behind the claim by itself; where words are part of the model, it is there.
    shown = slotted(tokens) if append and settings["noised"] == "image" else tokens
    examples = tuple(
        Example(
            id=f"pair-{row:03d}",
            inputs={"image": pixels[place[row]], "tokens": shown[row]},
            label=1,
            text=f"image of {data.labels[chosen[place[row]]]}; claim: {claims.read(tokens[row])}",
        )
        for row in unsafe
    )
    smoothing = Smoothing(
        image=Gaussian(settings["sigma"], low=0.0, high=1.0, unit="pixel in [0, 1]"),
        tokens=UniformReplacement(beta=settings["beta"], alphabet=len(claims.VOCABULARY)),
    )
    threat = Threat(
        image=L2(),
        tokens=SuffixAppend(max_d=MAX_D, pad=PAD, slot=SLOT) if append else TokenL0(max_d=MAX_D),
    )
    digest = arrays_digest({"margin": np.array([found.margin])}) + network_digest(network)
    return Problem(
        name=NAME,
        base=OneThread(Filter(network, found.margin)),
        smoothing=smoothing,
        threat=threat,
        num_classes=2,
        class_names=CLASS_NAMES,
        examples=examples,
        # 0.01 of it is spent on the threshold, as in the paper, and 0.01 on the draws of a certificate.
        statistics={"alpha": 0.01 + settings["alpha"], "n": 10_000, "n0": 100},
        **_rule(found, smoothing, threat, examples[0], digest, settings, cache),
        model_digest=digest,
        data_digest=arrays_digest({"images": pixels[place[unsafe]], "tokens": shown[unsafe]}),
        radii=(0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0),
        description=tasks.task_description(NAME),
    )


def _rule(
    found: Flags,
    smoothing: Smoothing,
    threat: Threat,
    example: Example,
    digest: str,
    settings: Mapping[str, Any],
    cache: Path | str | None,
) -> dict[str, Any]:
    """Threshold, flagging class and calibration; the population is that of pairs of one of the images set
    aside, each alike, and a random false claim, of which every draw is a new one."""
    noised = [name for name in smoothing if settings["noised"] in ("both", name)]
    data = images.mnist("train", cache=cache)
    proved = calibration(
        Smoothing(**{name: smoothing[name] for name in noised}),
        Threat(**{name: threat[name] for name in noised}),
        {name: example.inputs[name] for name in noised},
        flagged=found.flagged,
        draws=found.draws,
        benign=found.draws,
        scope="population",
        alpha=settings["alpha"],
        seed=2,
        scheme=f"torch and NumPy generators, {calibrated.__module__}",
        model_digest=digest,
        data_digest=arrays_digest({"images": data.images[HALF:60_000], "digits": data.labels[HALF:60_000]}),
        threshold=settings["tau"],
    )
    return {"threshold": proved.tau, "positive": proved.positive, "calibration": proved}
