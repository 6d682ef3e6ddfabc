"""What the product of one-channel certificates calls safe, the joint attack turns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import ironbound as ib
from ironbound.attacks import JointAttack
from ironbound.baselines import naive_product, one_channel
from ironbound.smoothing.predict import decide


def base(batch: Mapping[str, Any]) -> Any:
    """A sum of both channels: either alone is too weak to turn it, both together are not."""
    return np.asarray(batch["x"])[:, 0] + 0.6 * (np.asarray(batch["t"]) == 0).sum(axis=1) > 0.7


def test_an_input_that_the_product_calls_safe_is_turned_for_every_classifier() -> None:
    noise = ib.Smoothing(t=ib.Categorical([2, 2, 2], 0.2), x=ib.Gaussian(0.5))
    threats: dict[str, ib.Threat] = {"x": ib.Threat(x=ib.L2()), "t": ib.Threat(t=ib.FieldsL0(1))}
    clean: dict[str, Any] = {"x": np.array([0.4]), "t": np.array([0, 0, 0])}
    alone = {name: one_channel(base, noise, clean, name, 2) for name in threats}
    found = {name: alone[name].certify({name: clean[name]}, threat=threats[name], n=4000) for name in threats}
    product = naive_product(found["x"], found["t"])
    assert product.prediction == 1
    assert product.calls_safe(1.2, 1)
    attack = JointAttack(base, noise, ib.Threat(x=ib.L2(), t=ib.FieldsL0(1)), alone["x"].rules)
    turned = attack(clean, 1, x=1.2, t=1)
    assert turned.success
    assert product.calls_safe(turned.used["x"], int(turned.used["t"]))
    # Not only the jointly smoothed classifier: both one-channel classifiers answer otherwise there too.
    random = np.random.default_rng(0)
    for name in threats:
        other = {n: v for n, v in turned.attacked.items() if n != name}
        draws = noise[name].sample(turned.attacked[name], random, 4000)
        votes = base({name: draws, **{n: np.repeat(v[None], 4000, axis=0) for n, v in other.items()}})
        assert decide(np.bincount(votes.astype(int), minlength=2), 4000, 1e-6, alone[name].rules) == 0
    # The joint certificate of the same input does not cover what the product called safe.
    joint = ib.SmoothedClassifier(base, noise, num_classes=2)
    threat = ib.Threat(x=ib.L2(), t=ib.FieldsL0(1))
    assert not joint.certify(clean, threat=threat, n=4000).covers(x=turned.used["x"], t=1)
