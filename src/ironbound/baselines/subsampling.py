"""Certificates by subsampling every channel, after MMCert (Wang et al., CVPR 2024, arXiv 2403.19080).

The classifier answers what its base answers most often on random subsamples: k of the n elements of each
channel are shown, the others are filled. An attacker who changes r of n elements is not seen by a subsample
with probability C(n - r, k) / C(n, k), and on those the answer is what it was. With A the product over the
channels, a class of probability p keeps at least p - (1 - A).

An attacker who moves an image in the 2-norm may change every pixel: A is 0 and nothing is certified. And a
pair that is unsafe only together often is no longer so in a subsample, which is what the paper of HRS reports
of its pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ironbound.confidence import clopper_pearson_lower
from ironbound.errors import InputError, wrong_value
from ironbound.models.base import as_base
from ironbound.smoothing.answers import labels
from ironbound.smoothing.randomness import generator

_BATCH = 256


@dataclass(frozen=True)
class SubsamplingBound:
    """What one sample proves about a subsampled classifier, for all budgets at once.

    Attributes:
        prediction: the class, or None where the selection draws named none.
        successes, trials: estimation draws that named it, and all of them.
        lower: Clopper-Pearson lower bound of its probability.
        alpha: error probability of that bound, hence of everything that follows from it.
        threshold: what the probability has to exceed.
        sizes: channel -> (elements n, elements shown k).
    """

    prediction: int | None
    successes: int
    trials: int
    lower: float
    alpha: float
    threshold: float
    sizes: Mapping[str, tuple[int, int]]

    def untouched(self, **changed: int) -> Fraction:
        """Probability that a subsample shows no element that an attacker changed.

        Args:
            changed: channel -> number of elements that the attacker may change; others stay as they are.
        Raises:
            InputError: a channel is unknown, or a number is no whole number in 0..n.
        """
        product = Fraction(1)
        for name, count in changed.items():
            if name not in self.sizes:
                raise wrong_value("channel", name, f"one of {', '.join(self.sizes)}")
            total, kept = self.sizes[name]
            if int(count) != count or not 0 <= count <= total:
                raise wrong_value(f"the number of elements changed in {name}", count, f"0..{total}")
            product *= Fraction(comb(total - int(count), kept), comb(total, kept))
        return product

    def certified(self, **changed: int) -> bool:
        """Whether no attacker who changes so many elements changes the prediction; exact arithmetic.

        Example:
            >>> found = SubsamplingBound(1, 100, 100, 0.95, 0.01, 0.5, {"t": (10, 2)})
            >>> float(found.untouched(t=1)), found.certified(t=2), found.certified(t=3)
            (0.8, True, False)
        """
        left = Fraction(self.lower) - (1 - self.untouched(**changed))
        return self.prediction is not None and left > Fraction(self.threshold)


@dataclass(frozen=True)
class Subsampled:
    """A classifier of random subsamples of its input.

    Args:
        base: as for `SmoothedClassifier`.
        keep: channel -> number of elements that a subsample shows; channels that are not named are shown
            whole.
        fill: channel -> value in place of the elements that are not shown.
        num_classes: C >= 2.
        together: channel -> axis whose entries are one element, such as the colours of a pixel.
        threshold, positive: as for `SmoothedClassifier`; the majority of two classes by default.
        class_names: understood when the base answers with names.
    Raises:
        InputError: a channel to keep has no fill.
    """

    base: Any
    keep: Mapping[str, int]
    fill: Mapping[str, float]
    num_classes: int
    together: Mapping[str, int] = field(default_factory=lambda: dict[str, int]())
    threshold: float | None = None
    positive: int = 1
    class_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name in self.keep:
            if name not in self.fill:
                raise InputError(f"fill must say what stands in place of dropped elements of {name!r}")
        if self.threshold is not None and self.num_classes != 2:
            raise wrong_value("threshold", self.threshold, "None for more than two classes")

    def certify(
        self,
        inputs: Mapping[str, Any],
        *,
        alpha: float = 0.01,
        n: int = 10_000,
        n0: int = 100,
        seed: int = 0,
        input_id: str = "0",
    ) -> SubsamplingBound:
        """Draw n0 subsamples to pick a class and n to bound its probability.

        Raises:
            InputError: a channel is missing, or has fewer elements than are to be kept.
        """
        values = {name: np.asarray(value) for name, value in inputs.items()}
        sizes = {name: (self._elements(name, values), kept) for name, kept in self.keep.items()}
        for name, (total, kept) in sizes.items():
            if not 1 <= kept <= total:
                raise wrong_value(f"keep[{name!r}]", kept, f"1..{total}, as the input has {total} elements")
        base = as_base(self.base)
        votes = self._votes(base, values, n0, seed, input_id, "subsampling selection")
        picked = self._pick(votes, n0)
        if picked is None:
            return SubsamplingBound(None, 0, n, 0.0, alpha, self._threshold(0), sizes)
        counts = self._votes(base, values, n, seed, input_id, "subsampling estimation")
        successes = int(counts[picked])
        lower = float(clopper_pearson_lower(successes, n, alpha))
        return SubsamplingBound(picked, successes, n, lower, alpha, self._threshold(picked), sizes)

    def _threshold(self, label: int) -> float:
        if self.threshold is None:
            return 0.5
        # The other class is the answer where the positive one's share stays at or below the threshold; one
        # minus a float is rounded up, against the claim.
        return self.threshold if label == self.positive else float(np.nextafter(1 - self.threshold, 2))

    def _pick(self, votes: NDArray[np.int64], draws: int) -> int | None:
        if self.threshold is not None:
            flagged = Fraction(int(votes[self.positive]), draws) > Fraction(self.threshold)
            return self.positive if flagged else 1 - self.positive
        return int(votes.argmax()) if votes.any() else None

    def _elements(self, name: str, values: Mapping[str, NDArray[Any]]) -> int:
        if name not in values:
            raise wrong_value("inputs", list(values), f"every channel to be subsampled; {name!r} is missing")
        axis = self.together.get(name)
        shared = 1 if axis is None else values[name].shape[axis]
        return values[name].size // shared

    def _votes(
        self,
        base: Callable[..., Any],
        values: Mapping[str, NDArray[Any]],
        draws: int,
        seed: int,
        input_id: str,
        purpose: str,
    ) -> NDArray[np.int64]:
        votes = np.zeros(self.num_classes, dtype=np.int64)
        for block, start in enumerate(range(0, draws, _BATCH)):
            random = generator(seed, input_id, purpose, block)
            count = min(_BATCH, draws - start)
            batch = {name: self._shown(name, value, count, random) for name, value in values.items()}
            answers = labels(base(batch), count, self.num_classes, self.class_names)
            votes += np.bincount(answers[answers >= 0], minlength=self.num_classes)
        return votes

    def _shown(self, name: str, value: NDArray[Any], count: int, random: np.random.Generator) -> NDArray[Any]:
        rows = np.broadcast_to(value, (count, *value.shape)).copy()
        if name not in self.keep:
            return rows
        axis = self.together.get(name)
        grouped = rows if axis is None else np.moveaxis(rows, axis + 1 if axis >= 0 else axis, -1)
        elements = grouped.shape[1:] if axis is None else grouped.shape[1:-1]
        total = int(np.prod(elements))
        # The first k of a random order are shown: every subset of k elements is equally likely.
        order = random.random((count, total)).argsort(axis=1)
        hidden = np.ones((count, total), dtype=bool)
        np.put_along_axis(hidden, order[:, : self.keep[name]], False, axis=1)
        grouped[hidden.reshape(count, *elements)] = self.fill[name]
        return rows
