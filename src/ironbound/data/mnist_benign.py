"""How often the filter of mnist-filter flags noisy benign pairs: its margin, and its threshold's bound."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ironbound.confidence import clopper_pearson_upper
from ironbound.data import claims, images
from ironbound.data.digits_claims import noised
from ironbound.data.mnist_claims import MnistAgreementNet
from ironbound.data.training import network_digest, single_thread
from ironbound.data.weights import kept

SLOT = 8  # places behind the claim that an attacker may write
PAD = len(claims.VOCABULARY) - 1  # the word "too", which means no digit
TRAINING = 50_000  # images 0..49,999 train; the rest choose the margin and calibrate, halves apart
HALF = (TRAINING + 60_000) // 2


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


def calibrated(
    network: MnistAgreementNet,
    *,
    cache: Path | str | None = None,
    settings: Mapping[str, Any],
    margin: float | None = None,
) -> Flags:
    """Choose the margin on some benign draws (unless it is given), and bound the flag rate on others.

    Each draw is a fresh benign pair (an image that was not trained on, a false claim) under fresh noise, so
    tau bounds the flag rate of the benign distribution: its mean over inputs, not its maximum. Which channels
    are noised is settings["noised"]: "both", "image" or "tokens"; of an appended slot, the first
    settings["places"] words are.
    """

    def make() -> dict[str, NDArray[Any]]:
        chosen = margin
        if chosen is None:
            odds = list(_benign(network, TRAINING, HALF, settings["choosing"], 1, settings, cache))
            chosen = float(np.sort(np.concatenate(odds))[-1 - settings["allowed"]])
        checked = np.concatenate(list(_benign(network, HALF, 60_000, settings["draws"], 2, settings, cache)))
        return {"margin": np.array([chosen]), "flagged": np.array([np.count_nonzero(checked > chosen)])}

    known = {key: value for key, value in settings.items() if key not in ("alpha", "tau")}
    known |= {"network": network_digest(network), "fixed": margin}
    found = kept("mnist-filter-margin", make, settings=known, sources=[sys.modules[__name__]], cache=cache)
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
