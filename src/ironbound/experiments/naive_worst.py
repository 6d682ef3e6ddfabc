"""The classifier for which the product of one-channel certificates is furthest from the truth.

For a real picture x, a shift delta of it, and d words with another word for each, let the answer be 1 where

    <z - x, delta> / sigma^2 - |delta|^2 / (2 sigma^2) + Lambda (#places that show the other word
                                                              - #places that show the clean word) <= u:

linear in the pixels, one vote a word. That is the log-likelihood ratio of the attacked against the clean
input, so by Neyman and Pearson no classifier of the same clean probability has a lower attacked one. Every
probability of it is a finite sum of normal probabilities, enclosed here by ball arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from flint import arb, ctx
from numpy.typing import NDArray

from ironbound import laws
from ironbound.channels import Gaussian, Smoothing, UniformReplacement
from ironbound.confidence import clopper_pearson_lower
from ironbound.data import claims, digit_images, digits_claims
from ironbound.data.problem import Example, Problem
from ironbound.laws import certified

_BITS = 128


@dataclass(frozen=True)
class WorstCase:
    """Class 1 where the log-likelihood ratio of an attack against the clean input is at most `cut`.

    Args:
        image, shift: the clean picture and what the attack adds to it, of one shape.
        clean, other: the words at the first places, and what the attack writes there; shape (d,).
        sigma, beta, alphabet: of the noise.
        cut: u.
    """

    image: NDArray[np.float32]
    shift: NDArray[np.float64]
    clean: NDArray[np.int64]
    other: NDArray[np.int64]
    sigma: float
    beta: float
    alphabet: int
    cut: float

    @property
    def mu(self) -> float:
        """2-norm of the shift in units of the noise."""
        return float(np.linalg.norm(self.shift)) / self.sigma

    @property
    def step(self) -> float:
        """Lambda: how much a clean word changes the log-likelihood ratio."""
        return math.log((1 - self.beta) * (self.alphabet - 1) / self.beta)

    def __call__(self, batch: Mapping[str, Any]) -> NDArray[np.int64]:
        moved = np.asarray(batch["image"], dtype=np.float64) - self.image
        along = moved.reshape(len(moved), -1) @ self.shift.reshape(-1) / self.sigma**2
        tokens = np.asarray(batch["tokens"])[:, : self.clean.size]
        votes = (tokens == self.other).sum(axis=1) - (tokens == self.clean).sum(axis=1)
        return (along - self.mu**2 / 2 + self.step * votes <= self.cut).astype(np.int64)

    def probability(self, share: float, changed: int) -> tuple[float, float]:
        """Enclosure of the probability of class 1 after `share` of the shift and so many changed words.

        Args:
            share: of the shift, 0 for none and 1 for all of it.
            changed: how many of the words are the attack's.
        Returns:
            Lower and upper end.
        """
        with ctx.workprec(_BITS):
            mu, step = arb(self.mu), ((1 - arb(self.beta)) * (self.alphabet - 1) / arb(self.beta)).log()
            total = arb(0)
            for votes, mass in _votes(self.clean.size, changed, self.beta, self.alphabet).items():
                at = (arb(self.cut) - step * votes + mu * mu / 2) / mu - arb(share) * mu
                total += mass * (-at / arb(2).sqrt()).erfc() / 2
            return _outward(total)


def _votes(places: int, changed: int, beta: float, alphabet: int) -> dict[int, arb]:
    """Masses of (places that show the other word - places that show the clean word)."""
    kept, drawn = 1 - arb(beta), arb(beta) / (alphabet - 1)
    neither = 1 - kept - drawn
    found = {0: arb(1)}
    for place in range(places):
        toward = 1 if place < changed else -1
        after: dict[int, arb] = {}
        for votes, mass in found.items():
            for move, chance in ((toward, kept), (-toward, drawn), (0, neither)):
                after[votes + move] = after.get(votes + move, arb(0)) + mass * chance
        found = after
    return found


def _outward(ball: arb) -> tuple[float, float]:
    return (
        math.nextafter(float(ball.lower()), -math.inf),
        math.nextafter(float(ball.upper()), math.inf),
    )


def worst(p: float, n: int, alpha: float, sigma: float, beta: float) -> tuple[Problem, WorstCase] | None:
    """A task of one real picture and claim, whose classifier is the worst one for the product.

    The shift has the radius, and the words number the budget, that certificates from n draws give where a
    share p of them say 1.

    Args:
        p: probability of class 1 at the clean input.
        n, alpha: of the certificates.
        sigma, beta: of the noise.
    Returns:
        The task and its classifier; None where not one changed word is certified.
    """
    size = len(claims.VOCABULARY)
    bound = float(clopper_pearson_lower(round(p * n), n, alpha))
    radius = laws.radius(laws.identity(), p=bound, sigma=sigma, threshold=0.5)
    budgets = [
        d
        for d in range(1, claims.LENGTH + 1)
        if certified(laws.uniform_replacement(d=d, alphabet=size, beta=beta), p=bound, threshold=0.5)
    ]
    if radius is None or not radius > 0.0 or not budgets:
        return None
    data = digit_images.load()
    image, toward = data.test[0], data.test[np.argmax(data.test_digits != data.test_digits[0])]
    away = toward.astype(np.float64) - image
    shift = away * (radius / np.linalg.norm(away))
    d = max(budgets)
    tokens = claims.write([int(data.test_digits[0])], np.random.default_rng(0))[0]
    other = claims.write([(int(data.test_digits[0]) + 1) % 10], np.random.default_rng(1))[0]
    law = laws.compose(laws.uniform_replacement(d=d, alphabet=size, beta=beta), laws.gaussian(radius / sigma))
    classifier = WorstCase(image, shift, tokens[:d], other[:d], sigma, beta, size, law.witness(p))
    return _problem(classifier, tokens), classifier


def _problem(classifier: WorstCase, tokens: NDArray[np.int64]) -> Problem:
    task = digits_claims
    return Problem(
        name="worst case of the product",
        base=classifier,
        smoothing=Smoothing(
            image=Gaussian(classifier.sigma, low=0.0, high=1.0, unit=digit_images.UNIT),
            tokens=UniformReplacement(beta=classifier.beta, alphabet=classifier.alphabet),
        ),
        threat=task.Threat(image=task.L2(), tokens=task.TokenL0(max_d=classifier.clean.size)),
        num_classes=2,
        class_names=task.CLASS_NAMES,
        examples=(
            Example(
                f"p-{classifier.sigma:g}-{classifier.beta:g}-{classifier.cut:.6g}",
                {"image": classifier.image, "tokens": tokens},
                label=1,
                text=claims.read(tokens),
            ),
        ),
    )


def attacked(classifier: WorstCase, inputs: Mapping[str, Any], radius: float, budget: int) -> dict[str, Any]:
    """The attack: so much of the shift as the radius allows, and the other words at the first places."""
    share = min(1.0, radius / (classifier.mu * classifier.sigma)) * (1 - 1e-6)
    image = (np.asarray(inputs["image"], dtype=np.float64) + share * classifier.shift).astype(np.float32)
    tokens = np.array(inputs["tokens"])
    tokens[:budget] = classifier.other[:budget]
    return {"image": image, "tokens": tokens}
