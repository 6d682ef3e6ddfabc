"""NLVR: does a small model tell whether a sentence is true of a picture? Asked before certifying anything."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from ironbound.data import sets
from ironbound.experiments.context import Context
from ironbound.experiments.result import Result, Table


def majority(context: Context) -> Result:
    """Boosted trees on colours and words against the majority class; a task only if they beat it."""
    pairs = sets.nlvr()
    split = np.array(pairs.columns["source_split"])
    label = np.array([int(cell) for cell in pairs.columns["label"]])
    train, test = split != "hidden", split == "hidden"
    context.progress("reading the pictures", 0.2)
    colours = _colours(pairs.images)
    words = _words(pairs.columns["sentence"], context.settings["least"])
    # The six permutations of a picture are near-copies: as many independent answers as there are pictures.
    pictures = len({one for one, kept in zip(pairs.columns["identifier"], test, strict=True) if kept})
    base = max(label[test].mean(), 1 - label[test].mean())
    cells, found = [], {}
    for name, features in (
        ("words alone", words),
        ("picture alone", colours),
        ("both", np.hstack([colours, words])),
    ):
        found[name] = context.piece(
            name.replace(" ", "-"), lambda x=features: _accuracy(x, label, train, test, context)
        )
        ci = binomtest(round(found[name] * pictures), pictures).proportion_ci(0.95)
        cells.append((name, 100 * found[name], 100 * ci.low, 100 * ci.high, 100 * base))
    better = binomtest(round(found["both"] * pictures), pictures, float(base), alternative="greater").pvalue
    verdict = "beats" if better < 0.01 else "does not beat"
    note = (
        f"{int(test.sum())} pairs of {pictures} pictures; intervals and the test count pictures. "
        f"With both channels the model {verdict} the majority class (one-sided p = {better:.2g})"
        + (
            "."
            if better < 0.01
            else ", so no task is built on NLVR: a certificate about guesses says nothing."
        )
    )
    columns = ("model sees", "accuracy %", "95 % from", "to", "majority class %")
    return Result((Table("NLVR: trained on dev and test-P, tested on test-U", columns, tuple(cells), note),))


def _accuracy(
    features: NDArray[np.float32],
    label: NDArray[np.int64],
    train: NDArray[np.bool_],
    test: NDArray[np.bool_],
    context: Context,
) -> float:
    from sklearn.ensemble import HistGradientBoostingClassifier

    rounds = context.settings["rounds"]
    model = HistGradientBoostingClassifier(max_iter=rounds, learning_rate=0.05, random_state=context.seed)
    return float(model.fit(features[train], label[train]).score(features[test], label[test]))


def _colours(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Share of yellow, blue and black pixels in each of the three boxes, as they are and sorted: (N, 18)."""
    red, green, blue = (images[..., channel].astype(np.int16) for channel in range(3))
    masks = (
        (red > 180) & (green > 150) & (blue < 120),
        (blue > 150) & (red < 120),
        (red < 70) & (green < 70) & (blue < 70),
    )
    shares = np.stack(
        [mask.reshape(len(mask), 32, 3, 32).mean(axis=(1, 3)) for mask in masks], axis=1
    )  # (N, colour, box)
    flat = shares.reshape(len(images), 9)
    return np.hstack([flat, np.sort(shares, axis=2).reshape(len(images), 9)]).astype(np.float32)


def _words(sentences: tuple[str, ...], least: int) -> NDArray[np.float32]:
    """Which of the frequent words each sentence holds: (N, V)."""
    split = [set(re.findall("[a-z0-9]+", sentence.lower())) for sentence in sentences]
    counts = Counter(word for words in split for word in words)
    frequent = sorted(word for word, count in counts.items() if count >= least)
    return np.array([[word in words for word in frequent] for words in split], dtype=np.float32)
