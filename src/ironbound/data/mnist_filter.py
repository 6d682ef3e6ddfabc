"""Task mnist-filter: a safety filter for pairs that are unsafe only together, after the filters of HRS.

A picture of a digit is harmless and so is a claim about a digit; the pair is "unsafe" when they mean the same
digit. The filter flags a pair when its network is sure enough, so that benign pairs are almost never flagged,
and the smoothed filter flags an input once its share of flagged draws exceeds tau: what benign inputs reach.
The attacker moves the picture and either appends words to the claim or replaces words of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ironbound.channels import Gaussian, Smoothing, UniformReplacement
from ironbound.confidence import clopper_pearson_upper
from ironbound.data import claims, digits_claims, images, mnist_claims, tasks
from ironbound.data.benign import calibration
from ironbound.data.digits_claims import noised, pairs
from ironbound.data.mnist_claims import MnistAgreementNet
from ironbound.data.problem import Example, Problem
from ironbound.data.registry import arrays_digest
from ironbound.data.training import OneThread, Progress, network_digest, single_thread, trained
from ironbound.data.weights import kept
from ironbound.models.torch import TorchClassifier
from ironbound.threats import L2, SuffixAppend, Threat, TokenL0

NAME = "mnist-filter"
CLASS_NAMES = ("safe", "unsafe")
MAX_D = 8
SLOT = 8  # places behind the claim that an attacker may write
PAD = len(claims.VOCABULARY) - 1  # the word "too", which means no digit
INPUTS = 400  # as many interaction-only pairs as in the paper
TRAINING = 50_000  # images 0..49,999 train; the rest choose the margin and calibrate, halves apart
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


@dataclass(frozen=True)
class Flags:
    """How often noisy draws of benign pairs were flagged, and what that proves.

    Attributes:
        margin: that the network's log-odds must exceed.
        flagged, draws: of the calibration sample.
        tau: upper confidence bound of the share flagged (Clopper-Pearson).
    """

    margin: float
    flagged: int
    draws: int
    tau: float


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


def calibrated(
    network: MnistAgreementNet,
    *,
    cache: Path | str | None = None,
    settings: Mapping[str, Any] = SETTINGS,
    margin: float | None = None,
) -> Flags:
    """Choose the margin on some benign draws (unless it is given), and bound the flag rate on others.

    Each draw is a fresh benign pair (an image that was not trained on, a false claim) under fresh noise, so
    tau bounds the flag rate of the benign distribution: its mean over inputs, not its maximum. Which channels
    are noised is settings["noised"]: "both", "image" or "tokens"; of an appended slot, the first
    settings["places"] words are.
    """

    def make() -> dict[str, NDArray[Any]]:
        half = (TRAINING + 60_000) // 2
        chosen = margin
        if chosen is None:
            odds = list(_benign(network, TRAINING, half, settings["choosing"], 1, settings, cache))
            chosen = float(np.sort(np.concatenate(odds))[-1 - settings["allowed"]])
        checked = np.concatenate(list(_benign(network, half, 60_000, settings["draws"], 2, settings, cache)))
        return {"margin": np.array([chosen]), "flagged": np.array([np.count_nonzero(checked > chosen)])}

    known = {key: value for key, value in settings.items() if key not in ("alpha", "tau")}
    known |= {"network": network_digest(network), "fixed": margin}
    found = kept(f"{NAME}-margin", make, settings=known, sources=[sys.modules[__name__]], cache=cache)
    flagged, draws = int(found["flagged"][0]), int(settings["draws"])
    tau = float(clopper_pearson_upper(flagged, draws, settings["alpha"]))
    return Flags(float(found["margin"][0]), flagged, draws, tau)


def _benign(
    network: MnistAgreementNet,
    begin: int,
    end: int,
    draws: int,
    seed: int,
    settings: Mapping[str, Any],
    cache: Path | str | None,
) -> Iterator[NDArray[np.float32]]:
    """Log-odds of fresh noisy benign pairs from training images begin..end-1, in parts of a thousand."""
    data = images.mnist("train", cache=cache)
    generator = torch.Generator().manual_seed(seed)
    writer = np.random.default_rng(seed)
    for _ in range(-(-draws // 1000)):
        place = torch.randint(begin, end, (1000,), generator=generator).numpy()
        stated = (data.labels[place] + writer.integers(1, 10, 1000)) % 10
        image = torch.from_numpy(data.images[place].astype(np.float32) / np.float32(255))
        if settings["noised"] != "tokens":
            image = image + settings["sigma"] * torch.randn(image.shape, generator=generator)
        tokens = torch.from_numpy(written(stated, writer, settings["attack"]))
        if settings["noised"] != "image":
            reach = slice(0, claims.LENGTH)
            if settings["attack"] == "append":
                reach = slice(claims.LENGTH, claims.LENGTH + settings["places"])
            tokens[:, reach] = noised(tokens[:, reach], settings["beta"], generator)
        with torch.no_grad(), single_thread():
            scores = network(image, tokens)
        yield (scores[:, 1] - scores[:, 0]).numpy()


def written(digits: NDArray[Any], generator: np.random.Generator, attack: str) -> NDArray[np.int64]:
    """Claims as the filter reads them: token ids (N, 16), or (N, 24) with the slot that an attacker may fill.

    Example:
        >>> written(np.array([7]), np.random.default_rng(0), "append").shape
        (1, 24)
    """
    tokens = claims.write(digits, generator)
    return slotted(tokens) if attack == "append" else tokens


def slotted(tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """Claims (N, L) with eight pads behind them."""
    return np.concatenate([tokens, np.full((len(tokens), SLOT), PAD)], axis=1)


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
    shown = slotted(tokens) if append else tokens
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
    data, half = images.mnist("train", cache=cache), (TRAINING + 60_000) // 2
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
        scheme=f"torch and NumPy generators, {__name__}",
        model_digest=digest,
        data_digest=arrays_digest({"images": data.images[half:60_000], "digits": data.labels[half:60_000]}),
        threshold=settings["tau"],
    )
    return {"threshold": proved.tau, "positive": proved.positive, "calibration": proved}
