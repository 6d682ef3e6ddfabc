"""One channel alone: the other stays as it is, and the bound is that of the fractional knapsack."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

import ironbound as ib
from ironbound.baselines import NaiveProduct, naive_product, one_channel
from ironbound.certificate import Certificate, SmoothingEvidence
from ironbound.errors import InputError

NOISE = ib.Smoothing(x=ib.Gaussian(sigma=0.5), t=ib.UniformReplacement(beta=0.25, alphabet=6))
INPUTS = {"x": np.array([2.0, 1.0]), "t": np.array([3, 4, 5])}


def both(batch: dict[str, Any]) -> Any:
    return (batch["x"][:, 0] > 0) & (batch["t"][:, 0] == 3)


def test_the_other_channel_stays_exactly_as_it_is() -> None:
    seen: list[Any] = []

    def base(batch: dict[str, Any]) -> Any:
        seen.append(batch["t"])
        return both(batch)

    model = one_channel(base, NOISE, INPUTS, "x", 2)
    certificate = model.certify({"x": INPUTS["x"]}, threat=ib.Threat(x=ib.L2()), n=500)
    certificate.verify()
    assert all(np.array_equal(row, INPUTS["t"]) for batch in seen for row in batch)
    assert set(certificate.frontier) == {0}


def test_tensors_stay_tensors() -> None:
    def base(batch: dict[str, Any]) -> Any:
        assert isinstance(batch["t"], torch.Tensor)
        return (batch["t"][:, 0] == 3).long()

    model = one_channel(base, NOISE, {**INPUTS, "t": torch.tensor([3, 4, 5])}, "x", 2)
    assert model.certify({"x": INPUTS["x"]}, threat=ib.Threat(x=ib.L2()), n=200).prediction == 1


def knapsack(p: Fraction, beta: Fraction, size: int, d: int) -> Fraction:
    """The least probability after d replacements: a knapsack filled with the symbols' pairs of weights."""
    keep, other = 1 - beta, beta / (size - 1)
    pairs = [(keep, other), (other, keep), *[(other, other)] * (size - 2)]
    atoms = []
    for choice in itertools.product(pairs, repeat=d):
        atoms.append((math.prod(c[0] for c in choice), math.prod(c[1] for c in choice)))
    atoms.sort(key=lambda atom: atom[1] / atom[0])  # least attacked probability for its clean probability
    left, found = p, Fraction(0)
    for clean, attacked in atoms:
        part = min(left / clean, Fraction(1))
        found, left = found + part * attacked, left - part * clean
    return found


@pytest.mark.parametrize("share", [0.6, 0.8, 0.95, 1.0])
def test_text_alone_is_the_fractional_knapsack(share: float) -> None:
    table = (np.random.default_rng(1).random((6, 6, 6)) < share).astype(int)

    def base(batch: dict[str, Any]) -> Any:
        return table[tuple(batch["t"].T)]

    noise = ib.Smoothing(t=ib.UniformReplacement(beta=0.5, alphabet=6), x=ib.Gaussian(sigma=1.0))
    model = one_channel(base, noise, INPUTS, "t", 2, threshold=0.05)
    certificate = model.certify({"t": INPUTS["t"]}, threat=ib.Threat(t=ib.TokenL0(max_d=3)), n=4000)
    assert isinstance(certificate.evidence, SmoothingEvidence)
    (estimate,) = [e for e in certificate.evidence.estimates if e.side == "lower"]
    for d in range(4):
        exact = knapsack(Fraction(estimate.bound), Fraction(1, 2), 6, d)
        assert (certificate.frontier[d] is not None) == (exact > Fraction(0.05))


def test_the_product_is_an_estimate_and_no_certificate() -> None:
    alone = one_channel(both, NOISE, INPUTS, "x", 2)
    radius = alone.certify({"x": INPUTS["x"]}, threat=ib.Threat(x=ib.L2()), n=500)
    # Only the first token matters to this base, and a quarter of the draws replaces it.
    text = one_channel(both, NOISE, INPUTS, "t", 2, threshold=0.01)
    budget = text.certify({"t": INPUTS["t"]}, threat=ib.Threat(t=ib.TokenL0(max_d=2)), n=500)
    product = naive_product(radius, budget)
    assert product.status == "estimated"
    assert product.radius == radius.frontier[0]
    assert not isinstance(product, Certificate)
    assert not hasattr(product, "verify")
    assert not hasattr(product, "to_json")
    with pytest.raises(InputError, match="discrete a discrete one"):
        naive_product(budget, radius)


def test_products_of_different_inputs_or_answers_claim_nothing() -> None:
    alone = one_channel(both, NOISE, INPUTS, "x", 2)
    one = alone.certify({"x": INPUTS["x"]}, threat=ib.Threat(x=ib.L2()), n=500)
    other = alone.certify({"x": INPUTS["x"]}, threat=ib.Threat(x=ib.L2()), n=500, input_id="other")
    with pytest.raises(InputError, match="the same in both"):
        naive_product(one, other)
    assert not NaiveProduct(None, 1.0, 3).calls_safe(0.0, 0)
    assert not NaiveProduct(1, None, 3).calls_safe(0.0, 0)
    assert not NaiveProduct(1, 1.0, -1).calls_safe(0.0, 0)


def test_an_unknown_channel_is_named() -> None:
    with pytest.raises(InputError, match="one of the channels of inputs: x, t"):
        one_channel(both, NOISE, INPUTS, "image", 2)
