"""Robust accuracy: budgets are kept, attacks find what is there, and masked gradients are noticed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ironbound import attacks
from ironbound.errors import InputError


class Linear(nn.Module):
    """Logits +-s/2 for s = w . x - b, so that exact robust accuracy is known in both norms."""

    def __init__(self, weights: torch.Tensor, bias: float, noise: float = 0.0) -> None:
        super().__init__()
        self.weights, self.bias, self.noise = nn.Parameter(weights), bias, noise

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        score = x.flatten(1) @ self.weights - self.bias
        if self.noise:
            score = score + self.noise * torch.randn_like(score)
        return torch.stack([-score / 2, score / 2], dim=1)


class Staircase(nn.Module):
    """The same answers through a step function, which has no gradient."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(torch.floor(64 * x) / 64)


def problem(count: int = 80) -> tuple[Linear, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    weights = torch.from_numpy(rng.normal(size=100).astype(np.float32))
    images = rng.uniform(0.3, 0.7, size=(count, 1, 10, 10)).astype(np.float32)
    model = Linear(weights, float((weights * 0.5).sum()))
    labels = model(torch.from_numpy(images)).argmax(dim=1).numpy()
    return model, images, labels


def exact(model: Linear, images: np.ndarray, norm: str, eps: float) -> float:
    """Share of images that no shift within eps moves over the line (the range is far enough away)."""
    weights = model.weights.detach().double().numpy()
    score = images.reshape(len(images), -1).astype(np.float64) @ weights - model.bias
    dual = np.abs(weights).sum() if norm == "linf" else np.linalg.norm(weights)
    return float(np.mean(np.abs(score) > eps * dual))


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("attack", ["apgd", "autoattack", "pgd"])
def test_attacks_find_the_exact_robust_accuracy_of_a_linear_model(attack: Any, norm: Any) -> None:
    model, images, labels = problem()
    eps = 0.01 if norm == "linf" else 0.08
    truth = exact(model, images, norm, eps)
    assert 0.2 < truth < 0.8
    found = attacks.robust_accuracy(model, images, labels, norm=norm, eps=eps, attack=attack, steps=20)
    assert truth - 1e-9 <= found.robust <= truth + 0.03
    assert found.clean == 1.0
    assert 0.9 * eps < found.largest <= eps * (1 + 1e-5)
    assert found.adversarial.min() >= 0.0
    assert found.adversarial.max() <= 1.0


@pytest.mark.parametrize("attack", ["apgd", "pgd"])
def test_nothing_is_attacked_where_nothing_is_right(attack: Any) -> None:
    model, images, labels = problem(5)
    for some in (slice(0, 5), slice(0, 0)):
        found = attacks.robust_accuracy(model, images[some], 1 - labels[some], eps=0.01, attack=attack)
        assert (found.clean, found.robust, found.largest) == (0.0, 0.0, 0.0)


def test_square_is_weaker_but_finds_something() -> None:
    model, images, labels = problem(40)
    square = attacks.robust_accuracy(model, images, labels, eps=0.015, attack="square", steps=30)
    assert exact(model, images, "linf", 0.015) <= square.robust < 1.0


def test_the_judge_draws_anew_and_more() -> None:
    model, images, labels = problem(60)
    noisy = Linear(model.weights.detach(), model.bias, noise=0.3)
    torch.manual_seed(0)
    found = attacks.robust_accuracy(noisy, images, labels, eps=0.01, attack="apgd", steps=10, eot=8)
    assert found.draws == 32
    # The mean of 32 passes has a standard deviation of 0.05: near the line it may go either way.
    assert abs(found.robust - exact(model, images, "linf", 0.01)) < 0.15


def test_masked_gradients_are_noticed_and_plain_ones_are_not() -> None:
    model, images, labels = problem(60)
    plain = attacks.gradient_checks(model, images, labels, eps=0.01, steps=20, surrogate=model)
    assert not plain.masked, str(plain)
    masked = attacks.gradient_checks(Staircase(model), images, labels, eps=0.01, steps=20, surrogate=model)
    assert masked.masked
    assert masked.zero_gradients == 1.0
    assert masked.transfer is not None
    assert masked.transfer < masked.white_box
    assert "gradient vanishes" in str(masked)


def test_curves_fall_with_the_budget() -> None:
    model, images, labels = problem(60)
    curves = attacks.robustness_curves(model, images, labels, eps=[0.005, 0.01, 0.02], steps=[3, 20])
    robust = [one.robust for one in curves.against_eps]
    assert robust[0] > robust[1] > robust[2]
    assert [row["steps"] for row in curves.table()] == [20, 20, 20, 3]


def test_nothing_global_is_left_changed() -> None:
    model, images, labels = problem(8)
    model.train()
    before = np.random.get_state(legacy=False)["state"]["key"].copy()  # noqa: NPY002
    one = attacks.robust_accuracy(model, images, labels, eps=0.01, steps=3)
    two = attacks.robust_accuracy(model, images, labels, eps=0.01, steps=3)
    assert model.training
    assert np.array_equal(before, np.random.get_state(legacy=False)["state"]["key"])  # noqa: NPY002
    assert np.array_equal(one.adversarial, two.adversarial)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"norm": "l1"}, "norm"),
        ({"eps": float("nan")}, "eps"),
        ({"steps": 0}, "steps"),
        ({"attack": "fgsm"}, "attack"),
        ({"eot": 0}, "draws"),
        ({"high": 0.5}, "images"),
    ],
)
def test_what_cannot_be_used_is_named(change: dict[str, Any], named: str) -> None:
    model, images, labels = problem(4)
    with pytest.raises(InputError, match=named):
        attacks.robust_accuracy(model, images, labels, **change)
