"""Margin certificates: true margins behind them, an attack that fails inside, honest draws and roundings."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ironbound.errors import InputError
from ironbound.lipschitz import (
    RANI,
    HyCASConfig,
    HyCASNet,
    LipschitzBound,
    MarginBounds,
    Noise,
    Scale,
    bound,
    certify_margin,
    certify_scores,
    margin_bounds,
)
from ironbound.lipschitz.margin import draw_scores, squash

ONE = MarginBounds(LipschitzBound(1.0, ()))


def tiny(**changes: Any) -> HyCASNet:
    generator = torch.Generator().manual_seed(0)
    config = HyCASConfig.preset("tiny", (1, 6, 6), 3, **changes)
    return HyCASNet(config, noise=Noise(0), generator=generator).double()


def test_the_radius_follows_from_the_margins_and_the_constants() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal([0.2, 1.0, -0.5], 0.1, (2000, 3))
    result = certify_scores(logits[:100], logits[100:], ONE, alpha=0.01)
    assert result.prediction == 1
    assert result.reason == ""
    assert [rival.label for rival in result.rivals] == [0, 2]
    truth = [float((squash(logits, 2.0)[:, 1] - squash(logits, 2.0)[:, j]).mean()) for j in (0, 2)]
    for rival, mean in zip(result.rivals, truth, strict=True):
        assert mean - 0.05 < rival.margin_lower < mean
        assert Fraction(rival.radius) * Fraction(rival.lipschitz) < Fraction(rival.margin_lower)
        assert rival.lipschitz >= math.sqrt(2)
    assert result.radius == min(rival.radius for rival in result.rivals)
    assert sum(Fraction(rival.alpha) for rival in result.rivals) <= Fraction(0.01)


def test_the_pairwise_constant_bounds_the_gradient_of_squashed_differences() -> None:
    """With squashing, |w_A - w_j| alone is too small: the slopes of the two logits differ."""
    readout = torch.tensor([[1.0, 0.0], [0.9, 0.1]], dtype=torch.float64)
    known = MarginBounds(LipschitzBound(5.0, ()), LipschitzBound(1.0, ()), readout)
    constant, form = known.of_difference(0, 1)
    assert form == "pairwise"
    assert constant >= 1.0
    features = torch.tensor([[0.0, -40.0]], dtype=torch.float64).requires_grad_(True)
    logits = 2.0 * torch.tanh(features @ readout.T / 2.0)
    (slope,) = torch.autograd.grad(logits[0, 0] - logits[0, 1], features)
    assert float((readout[0] - readout[1]).norm()) < 0.5 * float(slope.norm())
    assert float(slope.norm()) <= constant
    assert MarginBounds(LipschitzBound(0.1, ()), LipschitzBound(1.0, ()), readout).of_difference(0, 1) == (
        pytest.approx(0.1 * math.sqrt(2)),
        "network",
    )


def test_no_attack_inside_the_radius_turns_the_expected_logits() -> None:
    """Gradient descent on the mean margin over many fixed draws, projected to the certified ball."""
    net = tiny()
    x = torch.randn(1, 6, 6, generator=torch.Generator().manual_seed(2)).double() * 3
    result = certify_margin(net, x, n=2000, alpha=0.01)
    assert result.prediction is not None
    assert result.radius is not None
    assert result.radius > 0.01

    def margin(point: Tensor) -> Tensor:
        with net.noise.frozen(0):
            logits = 2.0 * torch.tanh(net(point.expand(256, 1, 6, 6)) / 2.0)
        mean = logits.mean(dim=0)
        others = [j for j in range(3) if j != result.prediction]
        return mean[result.prediction] - mean[others].max()

    delta = torch.zeros_like(x).requires_grad_(True)
    lowest = math.inf
    for _ in range(15):
        value = margin(x + delta)
        lowest = min(lowest, float(value.detach()))
        (gradient,) = torch.autograd.grad(value, delta)
        with torch.no_grad():
            delta -= result.radius * gradient / gradient.norm()
            delta *= min(1.0, result.radius / float(delta.norm()))
    assert lowest > 0.0
    assert lowest < float(margin(x).detach())


def test_the_ledger_of_both_modes_and_the_radius_it_leaves() -> None:
    x = torch.randn(1, 6, 6, generator=torch.Generator().manual_seed(2)).double() * 3
    results = {}
    for mode in ("normalized", "residual"):
        net = tiny(mode=mode)
        results[mode] = certify_margin(net, x, n=1500, alpha=0.01)
        assert results[mode].derivation == bound(net, (1, 6, 6)).derivation
        for rival in results[mode].rivals:
            assert rival.lipschitz <= math.sqrt(2) * bound(net, (1, 6, 6)).value * (1 + 1e-9)
    pairs = zip(results["normalized"].rivals, results["residual"].rivals, strict=True)
    assert all(one.lipschitz < two.lipschitz for one, two in pairs)


@pytest.mark.parametrize("draws", ["sample", "batch"])
def test_draws_are_keyed_and_leave_no_trace(draws: str) -> None:
    net = tiny(draws=draws).train()
    x = torch.ones(1, 6, 6).double()
    state = net.noise.state()
    first = certify_margin(net, x, n=40, n0=10, seed=3, input_id="a", batch_size=20)
    assert net.training
    assert net.noise.state()["seed"] == state["seed"]
    net(x[None])  # moves the streams
    assert certify_margin(net, x, n=40, n0=10, seed=3, input_id="a", batch_size=20) == first
    assert certify_margin(net, x, n=40, n0=10, seed=3, input_id="b", batch_size=20) != first
    assert certify_margin(net, x, n=40, n0=10, seed=4, input_id="a", batch_size=20) != first
    assert first.rows_per_forward == (20 if draws == "sample" else 1)
    scores = draw_scores(net, x, 12, first.rows_per_forward, seed=0, key="k")
    assert len({row.tobytes() for row in scores}) == 12  # no draw is used twice


def test_shared_draws_are_never_counted_as_independent() -> None:
    with pytest.raises(InputError, match="rows must be 1"):
        draw_scores(tiny(draws="batch"), torch.ones(1, 6, 6).double(), 4, 2, seed=0, key="k")


def test_submodules_keep_their_training_flags() -> None:
    net = tiny().train()
    net.head.eval()
    certify_margin(net, torch.ones(1, 6, 6).double(), n=10, n0=2)
    assert net.training
    assert not net.head.training


def test_close_classes_make_it_abstain_with_the_reason() -> None:
    logits = np.random.default_rng(0).normal(0.0, 1.0, (200, 3))
    result = certify_scores(logits[:50], logits[50:], ONE)
    assert result.abstained
    assert result.radius is None
    assert "not proven to exceed that of class" in result.reason


def test_nan_logits_count_as_the_worst() -> None:
    logits = np.tile([[1.0, -1.0]], (300, 1))
    clean = certify_scores(logits[:50], logits[50:], ONE)
    broken = logits.copy()
    broken[60:90, 1] = np.nan
    worse = certify_scores(broken[:50], broken[50:], ONE)
    assert clean.radius is not None
    assert worse.radius is not None
    assert worse.radius < clean.radius
    assert certify_scores(logits[:50], np.full((100, 2), np.nan), ONE).abstained


def test_false_certificates_are_as_rare_as_stated() -> None:
    """Two classes whose expected logits are equal: each certificate is false."""
    generator = np.random.default_rng(0)
    false = 0
    for _ in range(300):
        logits = generator.choice([-1.0, 1.0], (70, 2))
        false += not certify_scores(logits[:10], logits[10:], ONE, alpha=0.05).abstained
    assert false <= 40  # binomial(300, 0.05): more than 40 once in 10 million


def test_other_networks_and_bad_arguments() -> None:
    net = nn.Sequential(RANI(4, noise=Noise(0)), nn.Linear(4, 2), Scale(3.0))
    x = torch.ones(4)
    result = certify_margin(net, x, n=100)
    assert all(rival.form == "network" for rival in result.rivals)
    assert margin_bounds(net, (4,)).readout is None
    with pytest.raises(InputError, match="2 sources of noise"):
        certify_margin(nn.Sequential(RANI(4, noise=Noise(0)), RANI(4, noise=Noise(0))), x)
    with pytest.raises(InputError, match="n, n0, batch_size"):
        certify_margin(net, x, n=1)
    with pytest.raises(InputError, match="estimation must be"):
        certify_scores(np.ones((2, 2)), np.ones((5, 3)), ONE)
    with pytest.raises(InputError, match="selection must be"):
        certify_scores(np.ones(2), np.ones((5, 3)), ONE)
    with pytest.raises(InputError, match="limit must be"):
        certify_scores(np.ones((2, 2)), np.ones((5, 2)), ONE, limit=0.0)
